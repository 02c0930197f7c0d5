package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

const service = "/streams.v1.StreamService/"

// plan is what all calls of a run have in common: the messages that the client sends and those that it expects.
type plan struct {
	target string
	// message is each message that the client sends, in the form of the protocol: with its prefix, if it has one.
	message []byte
	// reply is each message of the server, without a prefix.
	reply []byte
	// sends and receives count the messages of one call.
	sends, receives int
	enveloped, json bool
	// trailersInBody is the flag of the envelope that ends a response body; 0 if the protocol has none.
	trailersInBody byte
}

func newWork(o options) (*work, error) {
	w := &work{options: o, finished: make(chan struct{})}
	w.json = o.protocol == "connect-json"
	unary := o.shape == "unary"
	w.enveloped = strings.HasPrefix(o.protocol, "grpc") || !unary
	switch {
	case o.protocol == "grpc-web":
		w.trailersInBody = 0x80
	case !strings.HasPrefix(o.protocol, "grpc") && !unary:
		w.trailersInBody = 0x02
	}
	data := encodeData(w.json, make([]byte, o.size))
	w.sends, w.receives = 1, 1
	request := data
	switch o.shape {
	case "unary":
		w.target, w.reply = service+"Echo", data
		if o.path != "" {
			w.target, request, w.reply = o.path, []byte{8, 1, 16, 2}, []byte{8, 3}
			if w.json {
				request, w.reply = []byte(`{"a":1,"b":2}`), []byte(`{"sum":3}`)
			}
		}
	case "download":
		w.target, w.reply, w.receives = service+"Download", data, o.messages
		request = encodeCounts(w.json, o.messages, o.size, false)
	case "upload":
		w.target, w.sends = service+"Upload", o.messages
		w.reply = encodeCounts(w.json, o.messages, o.messages*o.size, true)
	case "chat":
		w.target, w.reply, w.sends, w.receives = service+"Chat", data, o.messages, o.messages
	default:
		return nil, fmt.Errorf("load with the shape %q: it is unknown", o.shape)
	}
	w.message = request
	if w.enveloped {
		w.message = append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(request))), request...)
	}
	if o.http == 1 && (o.shape == "chat" || o.protocol == "grpc") {
		return nil, fmt.Errorf("load %s by %s over HTTP/1.1: it needs HTTP/2", o.shape, o.protocol)
	}
	return w, nil
}

// encodeData returns the message with the bytes of data as field 1.
func encodeData(json bool, data []byte) []byte {
	if json {
		return []byte(`{"data":"` + base64.StdEncoding.EncodeToString(data) + `"}`)
	}
	return append(binary.AppendUvarint([]byte{0x0a}, uint64(len(data))), data...)
}

// encodeCounts returns the message with a count and bytes as fields 1 and 2. A number of 64 bits is a string in JSON.
func encodeCounts(json bool, count, bytes int, wide bool) []byte {
	if json {
		quote := ""
		if wide {
			quote = `"`
		}
		return fmt.Appendf(nil, `{"count":%d,"bytes":%s%d%s}`, count, quote, bytes, quote)
	}
	return binary.AppendUvarint(append(binary.AppendUvarint([]byte{8}, uint64(count)), 16), uint64(bytes))
}

// body checks the body of one response as it arrives.
type body struct {
	prefix [5]byte
	// have counts the bytes of the prefix, at the bytes of the message, and left those that are missing of it.
	have, at, left int
	messages       int
	// text is a message of JSON or the trailers, which are compared when they are complete.
	text  []byte
	ended bool
}

// add checks the next bytes. It returns how many messages they completed.
func (b *body) add(c *plan, p []byte) (int, error) {
	if !c.enveloped {
		return 0, b.compare(c, p)
	}
	before := b.messages
	for len(p) > 0 {
		if b.have < 5 {
			n := copy(b.prefix[b.have:], p)
			b.have += n
			p = p[n:]
			if b.have < 5 {
				break
			}
			b.at, b.left = 0, int(binary.BigEndian.Uint32(b.prefix[1:]))
		}
		n := min(b.left, len(p))
		if flags := b.prefix[0]; flags == 0 {
			if err := b.compare(c, p[:n]); err != nil {
				return 0, err
			}
		} else if flags == c.trailersInBody {
			b.text = append(b.text, p[:n]...)
		} else {
			return 0, fmt.Errorf("read an envelope: its flags are %#x", flags)
		}
		b.left -= n
		p = p[n:]
		if b.left == 0 {
			if err := b.envelope(c); err != nil {
				return 0, err
			}
		}
	}
	return b.messages - before, nil
}

// compare compares a part of a message with the expected one. Servers write spaces into JSON, so that comes later.
func (b *body) compare(c *plan, p []byte) error {
	if c.json {
		b.text = append(b.text, p...)
		return nil
	}
	if b.at+len(p) > len(c.reply) || !bytes.Equal(p, c.reply[b.at:b.at+len(p)]) {
		return fmt.Errorf("read a message of %d bytes: it differs from the expected one at byte %d or later", len(c.reply), b.at)
	}
	b.at += len(p)
	return nil
}

// envelope ends an envelope that is complete.
func (b *body) envelope(c *plan) error {
	b.have = 0
	if b.prefix[0] == 0 {
		return b.message(c)
	}
	b.ended = true
	text := string(b.text)
	b.text = b.text[:0]
	if c.trailersInBody == 0x80 && !strings.Contains(strings.ReplaceAll(text, " ", ""), "grpc-status:0\r\n") ||
		c.trailersInBody == 0x02 && strings.Contains(text, `"error"`) {
		return fmt.Errorf("the call failed: %q", text)
	}
	return nil
}

func (b *body) message(c *plan) error {
	b.messages++
	if c.json {
		text := bytes.ReplaceAll(b.text, []byte(" "), nil)
		b.text = b.text[:0]
		if !bytes.Equal(text, c.reply) {
			return fmt.Errorf("read a message: it is %.100q", text)
		}
	} else if b.at != len(c.reply) {
		return fmt.Errorf("read a message: it has %d bytes, not %d", b.at, len(c.reply))
	}
	return nil
}

// end checks that a body is complete.
func (b *body) end(c *plan) error {
	if !c.enveloped {
		if err := b.message(c); err != nil {
			return err
		}
	}
	if b.have != 0 {
		return errors.New("read a body: it ended within an envelope")
	}
	if b.messages != c.receives {
		return fmt.Errorf("read a body: it has %d messages, not %d", b.messages, c.receives)
	}
	if c.trailersInBody != 0 && !b.ended {
		return errors.New("read a body: it has no trailers")
	}
	return nil
}

func (b *body) reset() {
	*b = body{text: b.text[:0]}
}
