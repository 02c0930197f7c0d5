package main

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"net"
	"sync"
	"time"
)

const (
	preface      = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	frameHeader  = 9
	maxFrameSize = 16_384
	// writeBytes is the size of a write, as grpc-go's default is. The frame that exceeds it still belongs to it.
	writeBytes = 32_768
	// The windows for responses. A quarter that was used is given back, as grpc-go does.
	streamWindow     = 1 << 20
	connectionWindow = 1 << 24
	initialWindow    = 65_535
)

// connection is one HTTP/2 connection. The reader holds the mutex while it handles what it read; the writer holds it
// while it takes what is to be written.
type connection struct {
	*work
	net     net.Conn
	encoder *encoder
	decoder *decoder
	mutex   sync.Mutex
	wake    *sync.Cond
	// out are frames that need no window. spare is the other buffer, which the writer writes.
	out, spare []byte
	// request is a call's only message in one DATA frame with END_STREAM; empty if it needs several.
	request []byte
	streams map[uint32]*stream
	free    []*stream
	// sending are streams with data for which there is a window, in the order of their turns.
	sending []*stream
	nextID  uint32
	// window limits what may be sent. used counts what was received since the last WINDOW_UPDATE.
	window, initialWindow, used int
	maxFrame                    int
	maxStreams                  int
	block                       []byte
	settled                     chan struct{}
}

type stream struct {
	id     uint32
	window int
	used   int
	// allowed counts the messages that may be sent now, with the end of the stream as one more. sent counts those that
	// were sent, and at the bytes of the next one that were.
	allowed, sent, at  int
	queued, ends, done bool
	head               head
	heads              int
	body               body
	since              time.Time
}

func dial(w *work, protocol string) (net.Conn, error) {
	if !w.tls {
		return net.Dial("tcp", w.address)
	}
	config := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{protocol}}
	conn, err := tls.Dial("tcp", w.address, config)
	if err == nil && conn.ConnectionState().NegotiatedProtocol != protocol {
		err = fmt.Errorf("negotiate %s: the server chose %q", protocol, conn.ConnectionState().NegotiatedProtocol)
	}
	return conn, err
}

func dialHTTP2(w *work) (client, error) {
	conn, err := dial(w, "h2")
	if err != nil {
		return nil, err
	}
	c := &connection{
		work: w, net: conn, encoder: newEncoder(w.fields(), w.table), decoder: newDecoder(),
		streams: map[uint32]*stream{}, nextID: 1, window: initialWindow, initialWindow: initialWindow,
		maxFrame: maxFrameSize, maxStreams: 1 << 30, settled: make(chan struct{}),
	}
	c.wake = sync.NewCond(&c.mutex)
	if length := len(w.message); w.sends == 1 && length <= maxFrameSize {
		c.request = append(appendFrame(nil, length, frameData, flagEndStream, 0), w.message...)
	}
	c.out = append(c.out, preface...)
	c.out = appendFrame(c.out, 12, frameSettings, 0, 0)
	c.out = appendSetting(c.out, settingEnablePush, 0)
	c.out = appendSetting(c.out, settingInitialWindowSize, streamWindow)
	c.out = appendWindowUpdate(c.out, 0, connectionWindow-initialWindow)
	return c, nil
}

func (c *connection) run() error {
	go func() {
		if err := c.write(); err != nil {
			c.fail(err)
		}
	}()
	return c.read()
}

// read reads and handles frames, until the process ends.
func (c *connection) read() error {
	buffer := make([]byte, 65_536)
	settled := false
	filled := 0
	for {
		n, err := c.net.Read(buffer[filled:])
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		filled += n
		c.mutex.Lock()
		at, err := c.frames(buffer[:filled])
		if err == nil && !settled && at > 0 {
			// The server's SETTINGS are the first frame.
			settled = true
			err = c.begin()
		}
		c.mutex.Unlock()
		c.wake.Signal()
		if err != nil {
			return err
		}
		filled = copy(buffer, buffer[at:filled])
	}
}

// begin starts the first calls, when the server's settings are known.
func (c *connection) begin() error {
	close(c.settled)
	if c.maxStreams < c.options.streams {
		return fmt.Errorf("make %d calls at once: the server allows %d", c.options.streams, c.maxStreams)
	}
	for i := 0; c.rate == 0 && i < c.options.streams; i++ {
		c.next()
	}
	return nil
}

// next starts the next call, if one is left.
func (c *connection) next() {
	if c.take() {
		c.call()
	}
}

// start starts a call of those at a rate.
func (c *connection) start() {
	<-c.settled
	c.mutex.Lock()
	c.call()
	c.mutex.Unlock()
	c.wake.Signal()
}

func (c *connection) call() {
	var s *stream
	if last := len(c.free) - 1; last >= 0 {
		s, c.free = c.free[last], c.free[:last]
		s.body.reset()
		*s = stream{body: s.body}
	} else {
		s = &stream{}
	}
	s.id, s.window, s.allowed = c.nextID, c.initialWindow, c.sends+1
	if c.shape == "chat" {
		s.allowed = 1
	}
	c.nextID += 2
	c.streams[s.id] = s
	if c.rate > 0 {
		s.since = time.Now()
	}
	start := len(c.out)
	c.out = c.encoder.append(append(c.out, make([]byte, frameHeader)...))
	appendFrame(c.out[:start], len(c.out)-start-frameHeader, frameHeaders, flagEndHeaders, s.id)
	if length := len(c.message); len(c.request) > 0 && len(c.sending) == 0 && length <= min(c.window, s.window) {
		c.window -= length
		s.ends = true
		at := len(c.out)
		c.out = append(c.out, c.request...)
		binary.BigEndian.PutUint32(c.out[at+5:], s.id)
	} else {
		c.queue(s)
	}
}

// queue gives the stream its turn to send, if it has something to send and a window.
func (c *connection) queue(s *stream) {
	if !s.queued && !s.ends && s.sent < s.allowed && (s.sent == c.sends || s.window > 0) {
		s.queued = true
		c.sending = append(c.sending, s)
	}
}

// write writes what is to be sent, until the process ends.
func (c *connection) write() error {
	for {
		c.mutex.Lock()
		for len(c.out) == 0 && (len(c.sending) == 0 || c.window <= 0) {
			c.wake.Wait()
		}
		c.data()
		c.out, c.spare = c.spare[:0], c.out
		c.mutex.Unlock()
		if _, err := c.net.Write(c.spare); err != nil {
			return fmt.Errorf("write: %w", err)
		}
	}
}

// data adds DATA frames of the streams in turn, until a write is full or the connection's window is used up.
func (c *connection) data() {
	turn := 0
	for ; turn < len(c.sending) && len(c.out) < writeBytes && c.window > 0; turn++ {
		s := c.sending[turn]
		s.queued = false
		if s.done || s.sent < c.sends && s.window <= 0 {
			continue
		}
		length := min(len(c.message)-s.at, c.maxFrame, c.window, s.window)
		if s.sent == c.sends {
			length = 0
		}
		var set flags
		if s.sent == c.sends || c.sends == 1 && s.at+length == len(c.message) {
			set, s.ends = flagEndStream, true
		}
		c.out = appendFrame(c.out, length, frameData, set, s.id)
		if length > 0 {
			c.out = append(c.out, c.message[s.at:s.at+length]...)
			s.at += length
			s.window -= length
			c.window -= length
			if s.at == len(c.message) {
				s.at = 0
				s.sent++
			}
		}
		c.queue(s)
	}
	c.sending = append(c.sending[:0], c.sending[turn:]...)
}
