package rows

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// NDJSON decodes JSON objects one after the other, a row each: names are
// columns, an absent name takes the column's default, null is NULL. Strings and
// numbers are read as the column's type reads text; objects and arrays go into
// json and jsonb columns, arrays of scalars into array columns. It returns how many rows
// it handed to sink.
func NDJSON(src io.Reader, table *schema.Table, env *datum.Env, maxRow int, sink Sink) (int64, error) {
	limit := &rowLimit{src: src, max: int64(maxRow)}
	d := &jsonDecoder{
		dec: jsontext.NewDecoder(limit, jsontext.AllowDuplicateNames(true)), limit: limit,
		batcher: newBatcher(table, env, sink), table: table, byName: map[string]int{},
		values: make([][]byte, len(table.Columns)), state: make([]valueState, len(table.Columns)),
	}
	defer d.batcher.release()
	for i := range table.Columns {
		d.byName[table.Columns[i].Name] = i
	}
	for {
		err := d.row()
		if errors.Is(err, io.EOF) {
			return d.rows, d.batcher.send()
		}
		if err != nil {
			return 0, err
		}
	}
}

// A rowLimit fails when more than max bytes are read without a row ending.
type rowLimit struct {
	src  io.Reader
	max  int64
	read int64 // in all
	base int64 // where the current row starts
}

var errRowTooLong = pgerr.New(pgerr.ProgramLimitExceeded, "row is too long")

func (l *rowLimit) Read(p []byte) (int, error) {
	if l.read-l.base > l.max {
		return 0, errRowTooLong
	}
	n, err := l.src.Read(p)
	l.read += int64(n)
	return n, err
}

type valueState uint8

const (
	absent valueState = iota
	isNull
	isText
)

type jsonDecoder struct {
	dec     *jsontext.Decoder
	limit   *rowLimit
	batcher *batcher
	table   *schema.Table
	byName  map[string]int
	rows    int64

	values [][]byte // by column: the text of the current row's values
	state  []valueState
	want   []int // columns of the current row
}

// row decodes one object and adds it to the batch.
func (d *jsonDecoder) row() error {
	d.limit.base = d.dec.InputOffset()
	if d.dec.PeekKind() == 0 {
		if _, err := d.dec.ReadToken(); errors.Is(err, io.EOF) {
			return io.EOF
		} else if err != nil {
			return d.syntax(d.rows+1, err)
		}
	}
	number := d.rows + 1
	tok, err := d.dec.ReadToken()
	if err != nil {
		return d.syntax(number, err)
	}
	if tok.Kind() != '{' {
		return rowError(number, "", []byte(tok.String()), pgerr.New(pgerr.InvalidText, "expected a JSON object for a row"))
	}
	clear(d.state)
	for d.dec.PeekKind() == '"' {
		if err := d.member(number); err != nil {
			return err
		}
	}
	if _, err := d.dec.ReadToken(); err != nil {
		return d.syntax(number, err)
	}
	d.rows = number
	return d.add(number)
}

// member reads a name and its value.
func (d *jsonDecoder) member(number int64) error {
	name, err := d.dec.ReadToken()
	if err != nil {
		return d.syntax(number, err)
	}
	key := name.String()
	c, ok := d.byName[key]
	if !ok {
		_, err := findColumn(d.table, key)
		return rowError(number, key, nil, err)
	}
	raw, err := d.dec.ReadValue()
	if err != nil {
		return d.syntax(number, err)
	}
	t := d.table.Columns[c].Type
	d.state[c] = isText
	json := t.OID == datum.JSON || t.OID == datum.JSONB
	switch raw.Kind() {
	case 'n':
		d.state[c] = isNull
	case '"':
		if json {
			d.values[c] = append(d.values[c][:0], raw...)
			return nil
		}
		d.values[c], err = jsontext.AppendUnquote(d.values[c][:0], raw)
		if err != nil {
			return d.syntax(number, err)
		}
	case '{', '[':
		if elem, isArray := t.Elem(); isArray && raw.Kind() == '[' {
			d.values[c], err = appendArray(d.values[c][:0], raw, elem)
			if err != nil {
				return rowError(number, key, raw, err)
			}
			return nil
		}
		if !json && t.OID != datum.Text {
			return rowError(number, key, raw, pgerr.New(pgerr.InvalidText, "a JSON object or array is no value of type %s", d.batcher.env.TypeText(t)))
		}
		d.values[c] = append(d.values[c][:0], raw...)
	default: // numbers, true, false
		d.values[c] = append(d.values[c][:0], raw...)
	}
	return nil
}

// syntax reports what is not JSON.
func (d *jsonDecoder) syntax(number int64, err error) error {
	var long *pgerr.Error
	if errors.As(err, &long) {
		return rowError(number, "", nil, long)
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	var syn *jsontext.SyntacticError
	if !errors.As(err, &syn) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err // the stream itself failed
	}
	code := pgerr.InvalidText
	if strings.Contains(err.Error(), "invalid UTF-8") {
		code = pgerr.CharacterNotInRepertoire // the library has no error value for it
	}
	return rowError(number, "", nil, pgerr.New(code, "invalid JSON: %v", err))
}

// add moves the row into the batch. Columns that would be NULL without are always part
// of it; others are if the row names them.
func (d *jsonDecoder) add(number int64) error {
	d.want = d.want[:0]
	for i := range d.table.Columns {
		c := &d.table.Columns[i]
		if c.Type.OID != 0 && !c.FillsItself() || d.state[i] != absent {
			d.want = append(d.want, i)
		}
	}
	if d.batcher.builder == nil || !equal(d.want, d.batcher.columns) {
		if err := d.batcher.use(d.want); err != nil {
			return err
		}
	}
	for _, c := range d.want {
		if d.state[c] != isText {
			d.batcher.null(c)
		} else if err := d.batcher.text(c, d.values[c]); err != nil {
			return rowError(number, d.table.Columns[c].Name, d.values[c], err)
		}
	}
	return d.batcher.endRow()
}

func equal(a, b []int) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// appendArray turns a JSON array of scalars into PostgreSQL's array text.
func appendArray(dst []byte, raw jsontext.Value, elem datum.Type) ([]byte, error) {
	dec := jsontext.NewDecoder(bytes.NewReader(raw))
	if _, err := dec.ReadToken(); err != nil {
		return nil, err
	}
	dst = append(dst, '{')
	for n := 0; dec.PeekKind() != ']'; n++ {
		if n > 0 {
			dst = append(dst, ',')
		}
		v, err := dec.ReadValue()
		if err != nil {
			return nil, err
		}
		text := []byte(v)
		switch v.Kind() {
		case 'n':
			dst = append(dst, "NULL"...)
			continue
		case '"':
			if elem.OID != datum.JSON && elem.OID != datum.JSONB {
				if text, err = jsontext.AppendUnquote(nil, v); err != nil {
					return nil, err
				}
			}
		case '{', '[':
			if elem.OID != datum.JSON && elem.OID != datum.JSONB {
				return nil, pgerr.Unsupported("arrays of several dimensions are not supported")
			}
		}
		dst = append(dst, '"')
		for _, ch := range text {
			if ch == '"' || ch == '\\' {
				dst = append(dst, '\\')
			}
			dst = append(dst, ch)
		}
		dst = append(dst, '"')
	}
	return append(dst, '}'), nil
}
