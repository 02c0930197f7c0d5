// Command grpc serves the services of the benchmark on grpc-go. It prints its port when it is ready.
package main

import (
	"context"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"bench/add"
	calls "bench/gen/calls/v1"
	streams "bench/gen/streams/v1"
)

type callService struct {
	calls.UnimplementedCallServiceServer
}

func (callService) Add(_ context.Context, request *calls.AddRequest) (*calls.AddResponse, error) {
	sum, err := add.Int32(request.A, request.B)
	if err != nil {
		return nil, status.Error(codes.OutOfRange, err.Error())
	}
	return &calls.AddResponse{Sum: sum}, nil
}

type streamService struct {
	streams.UnimplementedStreamServiceServer
}

func (streamService) Echo(_ context.Context, request *streams.EchoRequest) (*streams.EchoResponse, error) {
	return &streams.EchoResponse{Data: request.Data}, nil
}

func (streamService) Download(request *streams.DownloadRequest, stream grpc.ServerStreamingServer[streams.DownloadResponse]) error {
	response := &streams.DownloadResponse{Data: make([]byte, request.Bytes)}
	for range request.Count {
		if err := stream.Send(response); err != nil {
			return err
		}
	}
	return nil
}

func (streamService) Upload(stream grpc.ClientStreamingServer[streams.UploadRequest, streams.UploadResponse]) error {
	var response streams.UploadResponse
	for {
		request, err := stream.Recv()
		if err == io.EOF {
			return stream.SendAndClose(&response)
		}
		if err != nil {
			return err
		}
		response.Count++
		response.Bytes += uint64(len(request.Data))
	}
}

func (streamService) Chat(stream grpc.BidiStreamingServer[streams.ChatRequest, streams.ChatResponse]) error {
	for {
		request, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.Send(&streams.ChatResponse{Data: request.Data}); err != nil {
			return err
		}
	}
}

func main() {
	var options []grpc.ServerOption
	if certificate := add.Certificate(); certificate != nil {
		options = append(options, grpc.Creds(credentials.NewServerTLSFromCert(certificate)))
	}
	server := grpc.NewServer(options...)
	calls.RegisterCallServiceServer(server, callService{})
	streams.RegisterStreamServiceServer(server, streamService{})
	add.Serve(server.Serve)
}
