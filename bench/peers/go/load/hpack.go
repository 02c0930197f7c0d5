package main

import (
	"strings"

	"golang.org/x/net/http2/hpack"
)

const (
	staticEntries = 61
	entryOverhead = 32
)

// encoder encodes one list of fields again and again. Its bytes are those of the encoder in golang.org/x/net, which
// grpc-go uses: every field is inserted into the dynamic table, and one that was evicted is inserted again.
type encoder struct {
	fields []encodedField
	// sizes are those of the entries in the table, the oldest first. The newest entry has the number `inserted`.
	sizes         []int
	inserted      int
	size, maxSize int
	value         []byte
	// table is false if fields that differ are literals without indexing.
	table bool
	// update is true if the next block begins with the new size of the table.
	update bool
}

type encodedField struct {
	field
	// static is the index of name and value in the static table, staticName that of the name; 0 if there is none.
	static, staticName int
	// nameLiteral and valueLiteral are encoded strings.
	nameLiteral, valueLiteral []byte
	// entry is the number of the newest entry with this name, and for a fixed value with this value.
	entry int
}

func newEncoder(fields []field, table bool) *encoder {
	e := &encoder{maxSize: 4096, table: table}
	for _, f := range fields {
		static, staticName := searchStatic(f)
		e.fields = append(e.fields, encodedField{
			field: f, static: static, staticName: staticName,
			nameLiteral: appendString(nil, f.name), valueLiteral: appendString(nil, f.value),
		})
	}
	return e
}

// searchStatic finds a field in the static table by the first byte that hpack's own encoder writes for it.
func searchStatic(f field) (both, name int) {
	var text strings.Builder
	encoder := hpack.NewEncoder(&text)
	encoder.SetMaxDynamicTableSize(0)
	encoder.WriteField(hpack.HeaderField{Name: f.name, Value: f.value})
	// The size update of one byte comes first.
	block := text.String()[1:]
	if block[0]&0x80 != 0 {
		return int(block[0] & 0x7f), 0
	}
	name = int(block[0] & 0x0f)
	if name == 0x0f {
		name += int(block[1])
	}
	return 0, name
}

// setMaxSize applies SETTINGS_HEADER_TABLE_SIZE before the first request.
func (e *encoder) setMaxSize(size int) {
	if size < e.maxSize {
		e.maxSize, e.update = size, true
	}
}

func (e *encoder) append(to []byte) []byte {
	if e.update {
		to = appendInteger(to, 0x20, 5, e.maxSize)
		e.update = false
	}
	for i := range e.fields {
		f := &e.fields[i]
		known := f.entry > e.inserted-len(e.sizes)
		index := staticEntries + 1 + e.inserted - f.entry
		if f.next == nil && (f.static > 0 || known) {
			if f.static > 0 {
				index = f.static
			}
			to = appendInteger(to, 0x80, 7, index)
			continue
		}
		if f.staticName > 0 {
			index = f.staticName
		} else if !known {
			index = 0
		}
		literal, length := f.valueLiteral, len(f.value)
		if f.next != nil {
			e.value = f.next(e.value[:0])
			literal, length = nil, len(e.value)
		}
		if (e.table || f.next == nil) && e.insert(entryOverhead+len(f.name)+length) {
			f.entry = e.inserted
			to = appendInteger(to, 0x40, 6, index)
		} else {
			to = appendInteger(to, 0, 4, index)
		}
		if index == 0 {
			to = append(to, f.nameLiteral...)
		}
		if literal != nil {
			to = append(to, literal...)
		} else {
			to = appendString(to, string(e.value))
		}
	}
	return to
}

// insert adds an entry, and evicts the oldest ones. It returns false if the entry is larger than the table.
func (e *encoder) insert(size int) bool {
	if size > e.maxSize {
		return false
	}
	e.inserted++
	e.sizes = append(e.sizes, size)
	e.size += size
	evict := 0
	for ; e.size > e.maxSize; evict++ {
		e.size -= e.sizes[evict]
	}
	e.sizes = append(e.sizes[:0], e.sizes[evict:]...)
	return true
}

func appendInteger(to []byte, first byte, bits, value int) []byte {
	limit := 1<<bits - 1
	if value < limit {
		return append(to, first|byte(value))
	}
	to = append(to, first|byte(limit))
	for value -= limit; value >= 128; value >>= 7 {
		to = append(to, byte(value)|0x80)
	}
	return append(to, byte(value))
}

func appendString(to []byte, text string) []byte {
	if length := hpack.HuffmanEncodeLength(text); int(length) < len(text) {
		return hpack.AppendHuffmanString(appendInteger(to, 0x80, 7, int(length)), text)
	}
	return append(appendInteger(to, 0, 7, len(text)), text...)
}

// head is what the client reads of a header block.
type head struct {
	status, grpcStatus, grpcMessage string
}

// decoder decodes the header blocks of responses. A block that inserts nothing is decoded once, until one inserts.
type decoder struct {
	*hpack.Decoder
	head  head
	known map[string]head
}

func newDecoder() *decoder {
	d := &decoder{known: map[string]head{}}
	d.Decoder = hpack.NewDecoder(4096, func(f hpack.HeaderField) {
		switch f.Name {
		case ":status":
			d.head.status = f.Value
		case "grpc-status":
			d.head.grpcStatus = f.Value
		case "grpc-message":
			d.head.grpcMessage = f.Value
		}
	})
	return d
}

func (d *decoder) decode(block []byte) (head, error) {
	if known, ok := d.known[string(block)]; ok {
		return known, nil
	}
	d.head = head{}
	if _, err := d.Write(block); err != nil {
		return head{}, err
	}
	if err := d.Close(); err != nil {
		return head{}, err
	}
	if inserts(block) || len(d.known) > 1000 {
		clear(d.known)
	} else {
		d.known[string(block)] = d.head
	}
	return d.head, nil
}

// inserts returns true if a valid block inserts an entry into the dynamic table, or changes the table's size.
func inserts(block []byte) bool {
	for len(block) > 0 {
		first := block[0]
		switch {
		case first&0x80 != 0:
			_, block = readInteger(block, 7)
		case first&0x60 != 0:
			return true
		default:
			var index, length int
			index, block = readInteger(block, 4)
			if index == 0 {
				length, block = readInteger(block, 7)
				block = block[length:]
			}
			length, block = readInteger(block, 7)
			block = block[length:]
		}
	}
	return false
}

func readInteger(from []byte, bits int) (int, []byte) {
	limit := 1<<bits - 1
	value := int(from[0]) & limit
	from = from[1:]
	if value < limit {
		return value, from
	}
	for shift := 0; ; shift += 7 {
		next := from[0]
		from = from[1:]
		value += int(next&0x7f) << shift
		if next < 0x80 {
			return value, from
		}
	}
}
