// Command connect serves GetSum on connect-go over net/http. It prints its port when it is ready.
package main

import (
	"context"
	"net/http"

	"connectrpc.com/connect"

	"bench/gen"
	"bench/gen/genconnect"
	"bench/sum"
)

type service struct{}

func (service) GetSum(_ context.Context, request *connect.Request[gen.Data]) (*connect.Response[gen.Sum], error) {
	result, err := sum.Add(request.Msg.A, request.Msg.B)
	if err != nil {
		return nil, connect.NewError(connect.CodeOutOfRange, err)
	}
	return connect.NewResponse(&gen.Sum{Sum: result}), nil
}

func main() {
	mux := http.NewServeMux()
	mux.Handle(genconnect.NewTestHandler(service{}))
	server := &http.Server{Handler: mux, Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	sum.Serve(server.Serve)
}
