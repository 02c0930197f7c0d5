//go:build grpcgo

package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	calls "bench/gen/calls/v1"
	streams "bench/gen/streams/v1"
)

// grpcGo makes its calls by the client of grpc-go, which costs more than the raw one, and is what servers meet.
type grpcGo struct {
	*work
	conn    *grpc.ClientConn
	calls   calls.CallServiceClient
	service streams.StreamServiceClient
	data    []byte
}

func dialGrpcGo(w *work) (client, error) {
	if w.protocol != "grpc" || w.http != 2 || !w.table || w.rate > 0 {
		return nil, fmt.Errorf("load by the client of grpc-go: it speaks gRPC over HTTP/2 with a table, and at no rate")
	}
	security := insecure.NewCredentials()
	if w.tls {
		security = credentials.NewTLS(&tls.Config{InsecureSkipVerify: true})
	}
	// Responses of any size, as the raw client accepts.
	size := grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(1 << 30))
	conn, err := grpc.NewClient("passthrough:///"+w.address, grpc.WithTransportCredentials(security), size)
	if err != nil {
		return nil, err
	}
	conn.Connect()
	return &grpcGo{
		work: w, conn: conn, calls: calls.NewCallServiceClient(conn), service: streams.NewStreamServiceClient(conn),
		data: make([]byte, w.size),
	}, nil
}

func (g *grpcGo) start() {}

func (g *grpcGo) run() error {
	var group sync.WaitGroup
	for range g.streams {
		group.Go(func() {
			for g.take() {
				if err := g.call(); err != nil {
					g.fail(err)
				}
				g.done(time.Time{})
			}
		})
	}
	group.Wait()
	return nil
}

func (g *grpcGo) call() error {
	ctx := context.Background()
	if g.heads != "equal" {
		limited, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		ctx = limited
	}
	if g.heads == "trace" {
		ctx = metadata.AppendToOutgoingContext(ctx,
			"traceparent", string(traceparent(nil)), "x-request-id", string(requestID(nil)))
	}
	switch g.shape {
	case "unary":
		return g.unary(ctx)
	case "download":
		return g.download(ctx)
	case "upload":
		return g.upload(ctx)
	default:
		return g.chat(ctx)
	}
}

func (g *grpcGo) unary(ctx context.Context) error {
	if g.path != "" {
		response, err := g.calls.Add(ctx, &calls.AddRequest{A: 1, B: 2})
		return check(err, err == nil && response.Sum == 3)
	}
	response, err := g.service.Echo(ctx, &streams.EchoRequest{Data: g.data})
	return check(err, len(response.GetData()) == g.size)
}

func (g *grpcGo) download(ctx context.Context) error {
	stream, err := g.service.Download(ctx, &streams.DownloadRequest{Count: uint32(g.messages), Bytes: uint32(g.size)})
	if err != nil {
		return err
	}
	for n := 0; ; n++ {
		response, err := stream.Recv()
		if err == io.EOF {
			return check(nil, n == g.messages)
		}
		if err := check(err, len(response.GetData()) == g.size); err != nil {
			return err
		}
	}
}

func (g *grpcGo) upload(ctx context.Context) error {
	stream, err := g.service.Upload(ctx)
	if err != nil {
		return err
	}
	request := &streams.UploadRequest{Data: g.data}
	for range g.messages {
		if err := stream.Send(request); err != nil {
			return err
		}
	}
	response, err := stream.CloseAndRecv()
	return check(err, response.GetCount() == uint32(g.messages) && response.GetBytes() == uint64(g.messages*g.size))
}

func (g *grpcGo) chat(ctx context.Context) error {
	stream, err := g.service.Chat(ctx)
	if err != nil {
		return err
	}
	request := &streams.ChatRequest{Data: g.data}
	for range g.messages {
		if err := stream.Send(request); err != nil {
			return err
		}
		response, err := stream.Recv()
		if err := check(err, len(response.GetData()) == g.size); err != nil {
			return err
		}
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	if _, err := stream.Recv(); err != io.EOF {
		return fmt.Errorf("end a chat: %v", err)
	}
	return nil
}

func check(err error, right bool) error {
	if err == nil && !right {
		return fmt.Errorf("the call returned something else than expected")
	}
	return err
}

func init() {
	dialers["grpc-go"] = dialGrpcGo
}
