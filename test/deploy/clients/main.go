// Calls fixture.Echo/Say with grpc-go until stdin ends. Prints a line for each call: the response, or "error: " and the reason.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/resolver/dns"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const (
	callers = 4
	pause   = 10 * time.Millisecond
	timeout = 10 * time.Second
)

func main() {
	target := flag.String("target", "", "such as dns://127.0.0.1:5353/name:50051; the first address is that of the DNS server")
	policy := flag.String("policy", "pick_first", "the load balancing policy")
	interval := flag.Duration("dns-interval", 30*time.Second, "the least time between two DNS queries")
	flag.Parse()
	dns.SetMinResolutionInterval(*interval)
	client, err := grpc.NewClient(*target,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(fmt.Sprintf(`{"loadBalancingConfig":[{%q:{}}]}`, *policy)))
	if err != nil {
		fmt.Fprintf(os.Stderr, "make a client for %s: %v\n", *target, err)
		os.Exit(2)
	}
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	var waiting sync.WaitGroup
	for range callers {
		waiting.Go(func() { call(client, ended) })
	}
	waiting.Wait()
}

// Calls one after the other until ended is closed.
func call(client *grpc.ClientConn, ended <-chan struct{}) {
	for {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		response := new(wrapperspb.StringValue)
		err := client.Invoke(ctx, "/fixture.Echo/Say", wrapperspb.String(""), response)
		cancel()
		if err == nil {
			fmt.Println(response.GetValue())
		} else {
			fmt.Println("error: " + strings.ReplaceAll(err.Error(), "\n", " "))
		}
		select {
		case <-ended:
			return
		case <-time.After(pause):
		}
	}
}
