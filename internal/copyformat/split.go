package copyformat

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/bits"

	"github.com/phyllodb/phyllo/internal/pgerr"
)

// splitText splits a line of text format and undoes its escapes in place.
func (r *Reader) splitText(line []byte) ([][]byte, error) {
	r.fields = r.fields[:0]
	for {
		i := r.fieldEnd(line)
		field := line
		if i >= 0 {
			field = line[:i]
		}
		if string(field) == r.opt.Null {
			field = nil
		} else {
			field = unescape(field)
		}
		r.fields = append(r.fields, field)
		if i < 0 {
			return r.fields, nil
		}
		line = line[i+1:]
	}
}

// fieldEnd finds the next delimiter that no backslash precedes.
func (r *Reader) fieldEnd(line []byte) int {
	from := 0
	for {
		i := bytes.IndexByte(line[from:], r.opt.Delimiter)
		if i < 0 {
			return -1
		}
		i += from
		if trailingBackslashes(line[:i])%2 == 0 {
			return i
		}
		from = i + 1
	}
}

// unescape undoes the backslash escapes of text format in place.
func unescape(b []byte) []byte {
	i := bytes.IndexByte(b, '\\')
	if i < 0 {
		if b == nil {
			return []byte{}
		}
		return b
	}
	out := b[:i]
	for i < len(b) {
		ch := b[i]
		i++
		if ch != '\\' {
			out = append(out, ch)
			continue
		}
		if i == len(b) { // the data end behind it: it is nothing, as in PostgreSQL
			break
		}
		ch = b[i]
		i++
		switch {
		case ch >= '0' && ch <= '7':
			v := ch - '0'
			for n := 1; n < 3 && i < len(b) && b[i] >= '0' && b[i] <= '7'; n++ {
				v = v<<3 | (b[i] - '0')
				i++
			}
			ch = v
		case ch == 'x' && i < len(b) && isHex(b[i]):
			v := hexValue(b[i])
			i++
			if i < len(b) && isHex(b[i]) {
				v = v<<4 | hexValue(b[i])
				i++
			}
			ch = v
		default:
			if c, ok := controls[ch]; ok {
				ch = c
			}
		}
		out = append(out, ch)
	}
	return out
}

var controls = map[byte]byte{'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v'}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func hexValue(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c >= 'a':
		return c - 'a' + 10
	}
	return c - 'A' + 10
}

// splitCSV splits a line of CSV; quotes are undone in place.
func (r *Reader) splitCSV(line []byte) ([][]byte, error) {
	r.fields, r.quoted = r.fields[:0], r.quoted[:0]
	if !r.quotes {
		r.splitPlain(line)
		return r.fields, nil
	}
	for {
		rest, last, err := r.quotedField(line)
		if err != nil || last {
			return r.fields, err
		}
		line = rest
	}
}

// splitPlain splits a line of CSV without quotes, eight bytes at a time: fields
// are too short for a search each.
func (r *Reader) splitPlain(line []byte) {
	const ones, low = 0x0101010101010101, 0x7f7f7f7f7f7f7f7f
	delimiters := ones * uint64(r.opt.Delimiter)
	from, i := 0, 0
	for ; i+8 <= len(line); i += 8 {
		w := binary.LittleEndian.Uint64(line[i:]) ^ delimiters
		// The upper bit of each byte that is 0.
		hits := ^((w&low + low) | w | low)
		for ; hits != 0; hits &= hits - 1 {
			end := i + bits.TrailingZeros64(hits)/8
			r.addPlain(line[from:end])
			from = end + 1
		}
	}
	for ; i < len(line); i++ {
		if line[i] == r.opt.Delimiter {
			r.addPlain(line[from:i])
			from = i + 1
		}
	}
	r.addPlain(line[from:])
}

// addPlain adds a field that is not quoted.
func (r *Reader) addPlain(field []byte) {
	i := len(r.fields)
	if string(field) == r.opt.Null && !(i < len(r.opt.ForceNotNull) && r.opt.ForceNotNull[i]) {
		field = nil
	}
	r.fields = append(r.fields, field)
}

// quotedField reads one field, in which quotes may open and close anywhere.
func (r *Reader) quotedField(line []byte) (rest []byte, last bool, err error) {
	out := line[:0]
	inQuote, wasQuoted := false, false
	for i := 0; i < len(line); i++ {
		ch := line[i]
		switch {
		case !inQuote && ch == r.opt.Delimiter:
			r.addCSV(out, wasQuoted)
			return line[i+1:], false, nil
		case !inQuote && ch == r.opt.Quote:
			inQuote, wasQuoted = true, true
		case inQuote && ch == r.opt.Escape && i+1 < len(line) && (line[i+1] == r.opt.Escape || line[i+1] == r.opt.Quote):
			i++
			out = append(out, line[i])
		case inQuote && ch == r.opt.Quote:
			inQuote = false
		default:
			out = append(out, ch)
		}
	}
	if inQuote {
		return nil, true, pgerr.New(pgerr.BadCopyFormat, "unterminated CSV quoted field")
	}
	r.addCSV(out, wasQuoted)
	return nil, true, nil
}

func (r *Reader) addCSV(field []byte, quoted bool) {
	i := len(r.fields)
	isNull := string(field) == r.opt.Null
	if isNull && !quoted && !(i < len(r.opt.ForceNotNull) && r.opt.ForceNotNull[i]) ||
		isNull && quoted && i < len(r.opt.ForceNull) && r.opt.ForceNull[i] {
		field = nil
	} else if field == nil {
		field = []byte{}
	}
	r.fields = append(r.fields, field)
	r.quoted = append(r.quoted, quoted)
}

var signature = []byte("PGCOPY\n\xff\r\n\x00")

// nextBinary reads a row of binary format: a count, then length and bytes a field.
func (r *Reader) nextBinary() ([][]byte, error) {
	if !r.started {
		if err := r.binaryHeader(); err != nil {
			return nil, err
		}
		r.started = true
	}
	head, err := r.take(2)
	if err == io.EOF { // in place of the trailer, which pgx leaves out and PostgreSQL does not ask for
		r.finished = true
	}
	if err != nil {
		return nil, err
	}
	count := int16(binary.BigEndian.Uint16(head))
	if count == -1 {
		r.finished = true
		return nil, r.drain()
	}
	if count < 0 {
		return nil, pgerr.New(pgerr.BadCopyFormat, "row field count is %d", count)
	}
	r.line++
	return r.binaryFields(int(count))
}

// binaryFields finds the extent of the whole row first, because fields lie in
// the buffer, which reading more would move.
func (r *Reader) binaryFields(count int) ([][]byte, error) {
	size := 0
	for range count {
		if err := r.need(size + 4); err != nil {
			return nil, err
		}
		n := int32(binary.BigEndian.Uint32(r.buf[r.pos+size:]))
		if n < -1 || int(n) > r.opt.MaxRowBytes {
			return nil, pgerr.New(pgerr.BadCopyFormat, "incorrect binary data format: field length %d", n)
		}
		size += 4 + max(0, int(n))
		if err := r.need(size); err != nil {
			return nil, err
		}
	}
	row := r.buf[r.pos : r.pos+size]
	r.pos += size
	r.fields = r.fields[:0]
	for range count {
		n := int32(binary.BigEndian.Uint32(row))
		row = row[4:]
		if n < 0 {
			r.fields = append(r.fields, nil)
			continue
		}
		r.fields = append(r.fields, row[:n:n])
		row = row[n:]
	}
	return r.fields, nil
}

func (r *Reader) binaryHeader() error {
	head, err := r.take(len(signature) + 8)
	if err != nil || !bytes.Equal(head[:len(signature)], signature) {
		return pgerr.New(pgerr.BadCopyFormat, "COPY file signature not recognized")
	}
	flags := binary.BigEndian.Uint32(head[len(signature):])
	if flags>>16 != 0 {
		return pgerr.New(pgerr.BadCopyFormat, "unrecognized critical flags in COPY file header")
	}
	ext := int32(binary.BigEndian.Uint32(head[len(signature)+4:]))
	if ext < 0 || int(ext) > r.opt.MaxRowBytes {
		return pgerr.New(pgerr.BadCopyFormat, "invalid COPY file header (missing length)")
	}
	_, err = r.take(int(ext))
	return err
}

// take returns the next n bytes, valid until more is read.
func (r *Reader) take(n int) ([]byte, error) {
	if r.pos == r.end && n > 0 {
		if more, err := r.fill(); err != nil {
			return nil, err
		} else if !more {
			return nil, io.EOF
		}
	}
	if err := r.need(n); err != nil {
		return nil, err
	}
	b := r.buf[r.pos : r.pos+n]
	r.pos += n
	return b, nil
}

// need reads until n bytes are there.
func (r *Reader) need(n int) error {
	for r.end-r.pos < n {
		more, err := r.fill()
		if err != nil {
			return err
		}
		if !more {
			return pgerr.New(pgerr.BadCopyFormat, "unexpected EOF in COPY data")
		}
	}
	return nil
}
