package main

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/net/http2"
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
		if err := c.frame(http2.FrameType(word&0xff), http2.Flags(from[at+4]), id, from[at+frameHeader:end]); err != nil {
			return 0, err
		}
		at = end
	}
	return at, nil
}

func (c *connection) frame(kind http2.FrameType, flags http2.Flags, id uint32, payload []byte) error {
	switch kind {
	case http2.FrameData:
		return c.onData(id, flags, payload)
	case http2.FrameHeaders, http2.FrameContinuation:
		return c.onHeaders(kind, id, flags, payload)
	case http2.FrameSettings:
		return c.onSettings(flags, payload)
	case http2.FramePing:
		if !flags.Has(http2.FlagPingAck) {
			c.out = append(appendFrame(c.out, 8, http2.FramePing, http2.FlagPingAck, 0), payload...)
		}
	case http2.FrameWindowUpdate:
		increment := int(binary.BigEndian.Uint32(payload))
		if id == 0 {
			c.window += increment
		} else if s := c.streams[id]; s != nil {
			s.window += increment
			c.queue(s)
		}
	case http2.FrameRSTStream:
		if c.streams[id] != nil {
			return fmt.Errorf("stream %d: the server reset it: %v", id, http2.ErrCode(binary.BigEndian.Uint32(payload)))
		}
	case http2.FrameGoAway:
		return fmt.Errorf("the server sent GOAWAY: %v %q", http2.ErrCode(binary.BigEndian.Uint32(payload[4:])), payload[8:])
	case http2.FramePushPromise:
		return errors.New("the server sent PUSH_PROMISE")
	}
	return nil
}

func (c *connection) onSettings(flags http2.Flags, payload []byte) error {
	if flags.Has(http2.FlagSettingsAck) {
		return nil
	}
	c.out = appendFrame(c.out, 0, http2.FrameSettings, http2.FlagSettingsAck, 0)
	for ; len(payload) >= 6; payload = payload[6:] {
		value := int(binary.BigEndian.Uint32(payload[2:]))
		switch http2.SettingID(binary.BigEndian.Uint16(payload)) {
		case http2.SettingHeaderTableSize:
			c.encoder.setMaxSize(value)
		case http2.SettingMaxConcurrentStreams:
			c.maxStreams = value
		case http2.SettingMaxFrameSize:
			// grpc-go's client keeps frames at 16 KiB.
		case http2.SettingInitialWindowSize:
			for _, s := range c.streams {
				s.window += value - c.initialWindow
				c.queue(s)
			}
			c.initialWindow = value
		}
	}
	return nil
}

func (c *connection) onHeaders(kind http2.FrameType, id uint32, flags http2.Flags, payload []byte) error {
	s := c.streams[id]
	if s == nil {
		return fmt.Errorf("read HEADERS of stream %d: it has no call", id)
	}
	if kind == http2.FrameHeaders {
		padding := 0
		if flags.Has(http2.FlagHeadersPadded) {
			padding, payload = int(payload[0]), payload[1:]
		}
		if flags.Has(http2.FlagHeadersPriority) {
			payload = payload[5:]
		}
		payload = payload[:len(payload)-padding]
		// The flag is of HEADERS only, but the block ends with the last CONTINUATION.
		s.done = flags.Has(http2.FlagHeadersEndStream)
	}
	if !flags.Has(http2.FlagHeadersEndHeaders) || len(c.block) > 0 {
		c.block = append(c.block, payload...)
		payload = c.block
	}
	if !flags.Has(http2.FlagHeadersEndHeaders) {
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

func (c *connection) onData(id uint32, flags http2.Flags, payload []byte) error {
	s := c.streams[id]
	if s == nil {
		return fmt.Errorf("read DATA of stream %d: it has no call", id)
	}
	c.used += len(payload)
	s.used += len(payload)
	if flags.Has(http2.FlagDataPadded) {
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
	if flags.Has(http2.FlagDataEndStream) {
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
