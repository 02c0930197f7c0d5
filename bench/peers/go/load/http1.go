package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"
)

// http1 is one HTTP/1.1 connection, which makes one call after the other.
type http1 struct {
	*work
	net    net.Conn
	reader *bufio.Reader
	fields []field
	body   body
	out    []byte
	due    chan time.Time
}

func dialHTTP1(w *work) (client, error) {
	conn, err := dial(w, "http/1.1")
	if err != nil {
		return nil, err
	}
	h := &http1{work: w, net: conn, reader: bufio.NewReaderSize(conn, 65_536), due: make(chan time.Time, w.calls)}
	for _, f := range w.fields() {
		if f.name[0] != ':' {
			h.fields = append(h.fields, f)
		}
	}
	return h, nil
}

func (h *http1) run() error {
	for {
		var since time.Time
		if h.rate > 0 {
			since = <-h.due
		} else if !h.take() {
			return nil
		}
		if err := h.request(); err != nil {
			return err
		}
		if err := h.response(); err != nil {
			return err
		}
		h.done(since)
	}
}

func (h *http1) start() {
	h.due <- time.Now()
}

// request writes the head with the first messages, and each message as a chunk if there are several.
func (h *http1) request() error {
	to := fmt.Appendf(h.out[:0], "POST %s HTTP/1.1\r\nhost: %s\r\n", h.target, h.address)
	for _, f := range h.fields {
		to = append(append(append(to, f.name...), ": "...), f.value...)
		if f.next != nil {
			to = f.next(to)
		}
		to = append(to, "\r\n"...)
	}
	if h.sends == 1 {
		to = append(append(to, "\r\n"...), h.message...)
		h.out = to
		_, err := h.net.Write(to)
		return err
	}
	to = append(to, "transfer-encoding: chunked\r\n\r\n"...)
	for range h.sends {
		to = append(strconv.AppendInt(to, int64(len(h.message)), 16), "\r\n"...)
		to = append(append(to, h.message...), "\r\n"...)
		if len(to) >= writeBytes {
			if _, err := h.net.Write(to); err != nil {
				return err
			}
			to = to[:0]
		}
	}
	to = append(to, "0\r\n\r\n"...)
	h.out = to
	_, err := h.net.Write(to)
	return err
}

func (h *http1) response() error {
	line, err := h.reader.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(line, []byte("HTTP/1.1 200")) {
		return fmt.Errorf("read a response: it begins with %q", line)
	}
	length := -1
	chunked := false
	for {
		if line, err = h.reader.ReadSlice('\n'); err != nil {
			return err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimLeft(value, " ")
		if len(name) == 14 && bytes.EqualFold(name, []byte("content-length")) {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return err
			}
		} else if len(name) == 17 && bytes.EqualFold(name, []byte("transfer-encoding")) {
			chunked = bytes.EqualFold(value, []byte("chunked"))
		} else if len(name) == 11 && bytes.EqualFold(name, []byte("grpc-status")) && string(value) != "0" {
			return fmt.Errorf("the call failed: grpc-status is %s", value)
		}
	}
	h.body.reset()
	if chunked {
		err = h.chunks()
	} else if length < 0 {
		err = errors.New("read a response: it has no length")
	} else {
		err = h.part(length)
	}
	if err != nil {
		return err
	}
	return h.body.end(&h.plan)
}

func (h *http1) chunks() error {
	for {
		line, err := h.reader.ReadSlice('\n')
		if err != nil {
			return err
		}
		length, err := strconv.ParseUint(string(bytes.TrimRight(line, "\r\n")), 16, 31)
		if err != nil {
			return err
		}
		if err := h.part(int(length)); err != nil {
			return err
		}
		// A response without trailers ends with an empty line, as each chunk does.
		if line, err = h.reader.ReadSlice('\n'); err != nil {
			return err
		}
		if len(line) != 2 {
			return fmt.Errorf("read the end of a chunk: %q", line)
		}
		if length == 0 {
			return nil
		}
	}
}

// part reads and checks a part of the body.
func (h *http1) part(length int) error {
	for length > 0 {
		if _, err := h.reader.Peek(1); err != nil {
			return err
		}
		n := min(length, h.reader.Buffered())
		read, err := h.reader.Peek(n)
		if err != nil {
			return err
		}
		if _, err := h.body.add(&h.plan, read); err != nil {
			return err
		}
		if _, err := h.reader.Discard(n); err != nil {
			return err
		}
		length -= n
	}
	return nil
}
