// Package add has the parts that both Go servers share: the addition and the listener.
package add

import (
	"fmt"
	"log"
	"math"
	"net"
)

// Int32 returns a + b, or an error if the sum is outside int32.
func Int32(a, b int32) (int32, error) {
	sum := int64(a) + int64(b)
	if sum < math.MinInt32 || sum > math.MaxInt32 {
		return 0, fmt.Errorf("add %d and %d: %d is outside int32", a, b, sum)
	}
	return int32(sum), nil
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
