// Command connect serves the services of the benchmark on connect-go over net/http. It prints its port when it is ready.
package main

import (
	"context"
	"errors"
	"io"
	"net/http"

	"connectrpc.com/connect"

	"bench/add"
	calls "bench/gen/calls/v1"
	"bench/gen/calls/v1/callsv1connect"
	streams "bench/gen/streams/v1"
	"bench/gen/streams/v1/streamsv1connect"
)

type callService struct {
	callsv1connect.UnimplementedCallServiceHandler
}

func (callService) Add(_ context.Context, request *connect.Request[calls.AddRequest]) (*connect.Response[calls.AddResponse], error) {
	sum, err := add.Int32(request.Msg.A, request.Msg.B)
	if err != nil {
		return nil, connect.NewError(connect.CodeOutOfRange, err)
	}
	return connect.NewResponse(&calls.AddResponse{Sum: sum}), nil
}

type streamService struct {
	streamsv1connect.UnimplementedStreamServiceHandler
}

func (streamService) Echo(_ context.Context, request *connect.Request[streams.EchoRequest]) (*connect.Response[streams.EchoResponse], error) {
	return connect.NewResponse(&streams.EchoResponse{Data: request.Msg.Data}), nil
}

func (streamService) Download(_ context.Context, request *connect.Request[streams.DownloadRequest], stream *connect.ServerStream[streams.DownloadResponse]) error {
	response := &streams.DownloadResponse{Data: make([]byte, request.Msg.Bytes)}
	for range request.Msg.Count {
		if err := stream.Send(response); err != nil {
			return err
		}
	}
	return nil
}

func (streamService) Upload(_ context.Context, stream *connect.ClientStream[streams.UploadRequest]) (*connect.Response[streams.UploadResponse], error) {
	var response streams.UploadResponse
	for stream.Receive() {
		response.Count++
		response.Bytes += uint64(len(stream.Msg().Data))
	}
	return connect.NewResponse(&response), stream.Err()
}

func (streamService) Chat(_ context.Context, stream *connect.BidiStream[streams.ChatRequest, streams.ChatResponse]) error {
	for {
		request, err := stream.Receive()
		if errors.Is(err, io.EOF) {
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
	mux := http.NewServeMux()
	mux.Handle(callsv1connect.NewCallServiceHandler(callService{}))
	mux.Handle(streamsv1connect.NewStreamServiceHandler(streamService{}))
	server := &http.Server{Handler: mux, Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	add.Serve(server.Serve)
}
