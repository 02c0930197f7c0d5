// Command grpc serves Add on grpc-go. It prints its port when it is ready.
package main

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"bench/add"
	calls "bench/gen/calls/v1"
)

type service struct {
	calls.UnimplementedCallServiceServer
}

func (service) Add(_ context.Context, request *calls.AddRequest) (*calls.AddResponse, error) {
	sum, err := add.Int32(request.A, request.B)
	if err != nil {
		return nil, status.Error(codes.OutOfRange, err.Error())
	}
	return &calls.AddResponse{Sum: sum}, nil
}

func main() {
	server := grpc.NewServer()
	calls.RegisterCallServiceServer(server, service{})
	add.Serve(server.Serve)
}
