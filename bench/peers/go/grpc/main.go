// Command grpc serves GetSum on grpc-go. It prints its port when it is ready.
package main

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"bench/gen"
	"bench/sum"
)

type service struct{ gen.UnimplementedTestServer }

func (service) GetSum(_ context.Context, data *gen.Data) (*gen.Sum, error) {
	result, err := sum.Add(data.A, data.B)
	if err != nil {
		return nil, status.Error(codes.OutOfRange, err.Error())
	}
	return &gen.Sum{Sum: result}, nil
}

func main() {
	server := grpc.NewServer()
	gen.RegisterTestServer(server, service{})
	sum.Serve(server.Serve)
}
