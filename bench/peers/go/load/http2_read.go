package main

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// frames handles the complete frames in `from`, and returns how many bytes they have.
func (c *connection) frames(from []byte) (int, error) {
	at := 0
	for len(from)-at >= frameHeader {
		word := binary.BigEndian.Uint32(from[at:])
		length := int(word >> 8)
		end := at + frameHeader + length
		if length > maxFrameSize {
			return 0, fmt.Errorf("read a frame: it has %d bytes, more than %d", length, maxFrameSize)
		}
		if end > len(from) {
			break
		}
		id := binary.BigEndian.Uint32(from[at+5:]) & (1<<31 - 1)
		if err := c.frame(frameType(word&0xff), flags(from[at+4]), id, from[at+frameHeader:end]); err != nil {
			return 0, err
		}
		at = end
	}
	return at, nil
}

func (c *connection) frame(kind frameType, set flags, id uint32, payload []byte) error {
	switch kind {
	case frameData:
		return c.onData(id, set, payload)
	case frameHeaders, frameContinuation:
		return c.onHeaders(kind, id, set, payload)
	case frameSettings:
		return c.onSettings(set, payload)
	case framePing:
		if !set.has(flagAck) {
			c.out = append(appendFrame(c.out, 8, framePing, flagAck, 0), payload...)
		}
	case frameWindowUpdate:
		increment := int(binary.BigEndian.Uint32(payload))
		if id == 0 {
			c.window += increment
		} else if s := c.streams[id]; s != nil {
			s.window += increment
			c.queue(s)
		}
	case frameReset:
		if c.streams[id] != nil {
			return fmt.Errorf("stream %d: the server reset it with the error code %d", id, binary.BigEndian.Uint32(payload))
		}
	case frameGoAway:
		return fmt.Errorf("the server sent GOAWAY with the error code %d: %q", binary.BigEndian.Uint32(payload[4:]), payload[8:])
	case framePush:
		return errors.New("the server sent PUSH_PROMISE")
	}
	return nil
}

func (c *connection) onSettings(set flags, payload []byte) error {
	if set.has(flagAck) {
		return nil
	}
	c.out = appendFrame(c.out, 0, frameSettings, flagAck, 0)
	for ; len(payload) >= 6; payload = payload[6:] {
		value := int(binary.BigEndian.Uint32(payload[2:]))
		switch settingID(binary.BigEndian.Uint16(payload)) {
		case settingHeaderTableSize:
			c.encoder.setMaxSize(value)
		case settingMaxConcurrentStreams:
			c.maxStreams = value
		case settingInitialWindowSize:
			for _, s := range c.streams {
				s.window += value - c.initialWindow
				c.queue(s)
			}
			c.initialWindow = value
		}
	}
	return nil
}

func (c *connection) onHeaders(kind frameType, id uint32, set flags, payload []byte) error {
	s := c.streams[id]
	if s == nil {
		return fmt.Errorf("read HEADERS of stream %d: it has no call", id)
	}
	if kind == frameHeaders {
		padding := 0
		if set.has(flagPadded) {
			padding, payload = int(payload[0]), payload[1:]
		}
		if set.has(flagPriority) {
			payload = payload[5:]
		}
		payload = payload[:len(payload)-padding]
		// The flag is of HEADERS only, but the block ends with the last CONTINUATION.
		s.done = set.has(flagEndStream)
	}
	if !set.has(flagEndHeaders) || len(c.block) > 0 {
		c.block = append(c.block, payload...)
		payload = c.block
	}
	if !set.has(flagEndHeaders) {
		return nil
	}
	read, err := c.decoder.decode(payload)
	c.block = c.block[:0]
	if err != nil {
		return fmt.Errorf("decode HEADERS of stream %d: %w", id, err)
	}
	if s.heads++; s.heads == 1 {
		s.head = read
		if read.status != "200" {
			return fmt.Errorf("stream %d: the status is %s", id, read.status)
		}
	} else {
		s.head.grpcStatus, s.head.grpcMessage = read.grpcStatus, read.grpcMessage
	}
	if s.done {
		return c.end(s)
	}
	return nil
}

func (c *connection) onData(id uint32, set flags, payload []byte) error {
	s := c.streams[id]
	if s == nil {
		return fmt.Errorf("read DATA of stream %d: it has no call", id)
	}
	c.used += len(payload)
	s.used += len(payload)
	if set.has(flagPadded) {
		payload = payload[1 : len(payload)-int(payload[0])]
	}
	completed, err := s.body.add(&c.plan, payload)
	if err != nil {
		return fmt.Errorf("stream %d: %w", id, err)
	}
	if c.shape == "chat" && completed > 0 {
		s.allowed += completed
		c.queue(s)
	}
	if c.used >= connectionWindow/4 {
		c.out = appendWindowUpdate(c.out, 0, c.used)
		c.used = 0
	}
	if set.has(flagEndStream) {
		s.done = true
		return c.end(s)
	}
	if s.used >= streamWindow/4 {
		c.out = appendWindowUpdate(c.out, id, s.used)
		s.used = 0
	}
	return nil
}

// end checks a response that is complete, and starts the next call.
func (c *connection) end(s *stream) error {
	if status := s.head.grpcStatus; status != "0" && (c.protocol == "grpc" || status != "") {
		return fmt.Errorf("stream %d: grpc-status is %q: %s", s.id, status, s.head.grpcMessage)
	}
	if err := s.body.end(&c.plan); err != nil {
		return fmt.Errorf("stream %d: %w", s.id, err)
	}
	if !s.ends {
		return fmt.Errorf("stream %d: the response ended before its request", s.id)
	}
	delete(c.streams, s.id)
	c.done(s.since)
	// A stream that waits for its turn is dropped by data, and not used again.
	if !s.queued {
		c.free = append(c.free, s)
	}
	if c.rate == 0 {
		c.next()
	}
	return nil
}
