// Package add has the parts that both Go servers share: the addition, the options and the listener.
package add

import (
	"crypto/tls"
	"fmt"
	"log"
	"math"
	"net"
	"os"
)

// Int32 returns a + b, or an error if the sum is outside int32.
func Int32(a, b int32) (int32, error) {
	sum := int64(a) + int64(b)
	if sum < math.MinInt32 || sum > math.MaxInt32 {
		return 0, fmt.Errorf("add %d and %d: %d is outside int32", a, b, sum)
	}
	return int32(sum), nil
}

// Certificate returns the certificate of the files that the arguments name, or nil without arguments: no TLS.
func Certificate() *tls.Certificate {
	if len(os.Args) < 3 {
		return nil
	}
	certificate, err := tls.LoadX509KeyPair(os.Args[1], os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	return &certificate
}

// Serve listens on a free port, prints it, and serves until the process exits.
func Serve(serve func(net.Listener) error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	log.Fatal(serve(listener))
}
