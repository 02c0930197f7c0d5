// Command connect serves Add on connect-go over net/http. It prints its port when it is ready.
package main

import (
	"context"
	"net/http"

	"connectrpc.com/connect"

	"bench/add"
	calls "bench/gen/calls/v1"
	"bench/gen/calls/v1/callsv1connect"
)

type service struct {
	callsv1connect.UnimplementedCallServiceHandler
}

func (service) Add(_ context.Context, request *connect.Request[calls.AddRequest]) (*connect.Response[calls.AddResponse], error) {
	sum, err := add.Int32(request.Msg.A, request.Msg.B)
	if err != nil {
		return nil, connect.NewError(connect.CodeOutOfRange, err)
	}
	return connect.NewResponse(&calls.AddResponse{Sum: sum}), nil
}

func main() {
	mux := http.NewServeMux()
	mux.Handle(callsv1connect.NewCallServiceHandler(service{}))
	server := &http.Server{Handler: mux, Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	add.Serve(server.Serve)
}
