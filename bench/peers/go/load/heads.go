package main

import (
	"encoding/hex"
	"math/rand/v2"
	"strconv"
	"strings"
)

// field is one field of a request. One without a value has another value on each call.
type field struct {
	name, value string
	next        func([]byte) []byte
}

// fields returns the fields of a request in the order of grpc-go's client, without those that HTTP/1.1 does not have.
func (w *work) fields() []field {
	scheme := "http"
	if w.tls {
		scheme = "https"
	}
	fields := []field{
		{name: ":method", value: "POST"}, {name: ":scheme", value: scheme},
		{name: ":path", value: w.target}, {name: ":authority", value: w.address},
		{name: "content-type", value: w.contentType()}, {name: "user-agent", value: "grpc-go/1.85.0"},
	}
	timeout := field{name: "grpc-timeout", next: grpcTimeout()}
	switch {
	case w.protocol == "grpc":
		fields = append(fields, field{name: "te", value: "trailers"})
	case w.protocol != "grpc-web":
		fields = append(fields, field{name: "connect-protocol-version", value: "1"})
		timeout = field{name: "connect-timeout-ms", next: connectTimeout()}
	}
	if w.protocol != "grpc" && w.sends == 1 {
		fields = append(fields, field{name: "content-length", value: strconv.Itoa(len(w.message))})
	}
	if w.heads != "equal" {
		fields = append(fields, timeout)
	}
	if w.heads == "trace" {
		fields = append(fields, field{name: "traceparent", next: traceparent}, field{name: "x-request-id", next: requestID})
	}
	return fields
}

func (w *work) contentType() string {
	switch {
	case strings.HasPrefix(w.protocol, "grpc"):
		if w.protocol == "grpc" {
			return "application/grpc"
		}
		return "application/grpc-web+proto"
	case w.shape == "unary":
		return "application/" + w.codec()
	default:
		return "application/connect+" + w.codec()
	}
}

func (w *work) codec() string {
	if w.json {
		return "json"
	}
	return "proto"
}

// grpcTimeout returns timeouts of 4 to 5 seconds as grpc-go writes them. A value returns after a million calls.
func grpcTimeout() func([]byte) []byte {
	us := rand.Int64N(1_000_000)
	return func(to []byte) []byte {
		us = (us + 1_000_003 - 617) % 1_000_000
		return append(strconv.AppendInt(to, 4_000_000+us, 10), 'u')
	}
}

// connectTimeout returns timeouts of 5 to 105 seconds, in milliseconds. A value returns after 100,000 calls.
func connectTimeout() func([]byte) []byte {
	ms := rand.Int64N(100_000)
	return func(to []byte) []byte {
		ms = (ms + 61_703) % 100_000
		return strconv.AppendInt(to, 5000+ms, 10)
	}
}

// traceparent appends a value of W3C Trace Context.
func traceparent(to []byte) []byte {
	var id [24]byte
	fill(id[:])
	to = hex.AppendEncode(append(to, "00-"...), id[:16])
	to = hex.AppendEncode(append(to, '-'), id[16:])
	return append(to, "-01"...)
}

// requestID appends a random UUID.
func requestID(to []byte) []byte {
	var id [16]byte
	fill(id[:])
	for i, part := range [][]byte{id[:4], id[4:6], id[6:8], id[8:10], id[10:]} {
		if i > 0 {
			to = append(to, '-')
		}
		to = hex.AppendEncode(to, part)
	}
	return to
}

func fill(id []byte) {
	for at := 0; at < len(id); at += 8 {
		random := rand.Uint64()
		for i := range id[at : at+8] {
			id[at+i] = byte(random >> (8 * i))
		}
	}
}
