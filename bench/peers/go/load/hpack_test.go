package main

import (
	"bytes"
	"testing"

	"golang.org/x/net/http2/hpack"
)

func TestEncoderWritesTheBytesOfGrpcGo(t *testing.T) {
	for _, size := range []int{4096, 300, 60} {
		w, err := newWork(options{shape: "unary", protocol: "grpc", heads: "trace", address: "127.0.0.1:50051"})
		if err != nil {
			t.Fatal(err)
		}
		var values []string
		fields := w.fields()
		for i, f := range fields {
			if next := f.next; next != nil {
				fields[i].next = func(to []byte) []byte {
					value := next(nil)
					values = append(values, string(value))
					return append(to, value...)
				}
			}
		}
		encoder := newEncoder(fields, true)
		encoder.setMaxSize(size)
		var wanted bytes.Buffer
		theirs := hpack.NewEncoder(&wanted)
		if size < 4096 {
			theirs.SetMaxDynamicTableSize(uint32(size))
		}
		for call := range 1000 {
			values = values[:0]
			got := encoder.append(nil)
			wanted.Reset()
			at := 0
			for _, f := range fields {
				value := f.value
				if f.next != nil {
					value = values[at]
					at++
				}
				if err := theirs.WriteField(hpack.HeaderField{Name: f.name, Value: value}); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(got, wanted.Bytes()) {
				t.Fatalf("table of %d bytes, call %d: got %x, want %x", size, call, got, wanted.Bytes())
			}
		}
	}
}
