// Command load makes calls as fast as the server responds, or at a rate, and prints what it counted as JSON.
//
// It writes HTTP/2 frames and HTTP/1.1 requests itself, so that it costs less than the servers it loads. Each HTTP/2
// connection writes what one read of responses caused in one write, of at most 32 KiB and the frame that exceeds it. A
// message begins a DATA frame, and streams that have more to send take turns, frame by frame, as in grpc-go's client.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

type options struct {
	shape, protocol, heads, client, path, address string
	http, connections, streams                    int
	calls                                         int64
	messages, size, rate                          int
	tls, table                                    bool
}

// result is the line of JSON that the program prints.
type result struct {
	Calls int64 `json:"calls"`
	// Messages in the direction that has more, which were all checked or, if they are requests, acknowledged.
	Messages int64   `json:"messages"`
	Seconds  float64 `json:"seconds"`
	// Quantiles of the time from a call's start to its end, in milliseconds. Only calls at a rate have them.
	P50 float64 `json:"p50,omitempty"`
	P99 float64 `json:"p99,omitempty"`
}

func main() {
	var o options
	flag.StringVar(&o.shape, "shape", "unary", "unary, download, upload or chat")
	flag.StringVar(&o.protocol, "protocol", "grpc", "grpc, grpc-web, connect or connect-json")
	flag.IntVar(&o.http, "http", 2, "version of HTTP: 1 or 2")
	flag.BoolVar(&o.tls, "tls", false, "use TLS, and accept any certificate")
	flag.IntVar(&o.connections, "c", 4, "connections")
	flag.IntVar(&o.streams, "m", 16, "calls at once on each connection; HTTP/1.1 makes one")
	flag.Int64Var(&o.calls, "n", 1000, "calls on all connections together")
	flag.IntVar(&o.messages, "messages", 100, "messages in each stream")
	flag.IntVar(&o.size, "size", 100, "bytes of data in each message")
	flag.StringVar(&o.heads, "heads", "equal", "equal; timeout, which differs on each call; or trace, with a traceparent and an x-request-id too")
	flag.BoolVar(&o.table, "table", true, "insert values that differ into HPACK's dynamic table, as grpc-go's client does")
	flag.StringVar(&o.path, "path", "", "path of the method Add, in place of StreamService")
	flag.StringVar(&o.client, "client", "raw", "raw, or grpc-go for the client of that library")
	flag.IntVar(&o.rate, "rate", 0, "calls per second; 0 for as many as the server responds to")
	flag.Parse()
	o.address = flag.Arg(0)
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	debug.SetGCPercent(400)
	w, err := newWork(o)
	if err != nil {
		return err
	}
	dial := dialers[o.client]
	if dial == nil {
		return fmt.Errorf("load by the client %q: this program was built without it", o.client)
	}
	if o.client == "raw" && o.http == 1 {
		dial = dialHTTP1
	}
	since := time.Now()
	clients := make([]client, o.connections)
	for i := range clients {
		if clients[i], err = dial(w); err != nil {
			return err
		}
	}
	if o.rate > 0 {
		go w.pace(clients)
	}
	for _, client := range clients {
		go func() {
			if err := client.run(); err != nil {
				w.fail(err)
			}
		}()
	}
	<-w.finished
	seconds := time.Since(since).Seconds()
	r := result{Calls: w.calls, Messages: w.calls * int64(max(w.sends, w.receives)), Seconds: seconds}
	if o.rate > 0 {
		slices.Sort(w.latencies)
		r.P50, r.P99 = quantile(w.latencies, 0.5), quantile(w.latencies, 0.99)
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// dialers open connections, by the name of a client. The one of grpc-go is compiled with the tag grpcgo.
var dialers = map[string]func(*work) (client, error){"raw": dialHTTP2}

// client is one connection.
type client interface {
	// run makes calls until none are left, and returns an error if one fails.
	run() error
	// start starts one call of those at a rate.
	start()
}

// work is what all connections share: the calls that are left, and what was counted.
type work struct {
	options
	plan
	started, ended atomic.Int64
	// finished is closed when the last call has ended.
	finished  chan struct{}
	mutex     sync.Mutex
	latencies []time.Duration
	begun     time.Time
}

// take returns true if another call may start.
func (w *work) take() bool {
	return w.started.Add(1) <= w.calls
}

// done counts a call that ended well. A call of the first second at a rate is a warm-up.
func (w *work) done(since time.Time) {
	if w.rate > 0 && since.Sub(w.begun) >= time.Second {
		w.mutex.Lock()
		w.latencies = append(w.latencies, time.Since(since))
		w.mutex.Unlock()
	}
	if w.ended.Add(1) == w.calls {
		close(w.finished)
	}
}

// pace starts the calls at the rate, on one connection after the other.
func (w *work) pace(clients []client) {
	w.begun = time.Now()
	for i := int64(0); i < w.calls; i++ {
		due := w.begun.Add(time.Duration(i) * time.Second / time.Duration(w.rate))
		time.Sleep(time.Until(due))
		clients[i%int64(len(clients))].start()
	}
}

func (w *work) fail(err error) {
	fmt.Fprintln(os.Stderr, "load:", err)
	os.Exit(1)
}

func quantile(sorted []time.Duration, p float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[int(float64(len(sorted)-1)*p)].Seconds() * 1000
}
