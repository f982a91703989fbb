package backup_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/backup"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

var part = chunk.PartitionID{Table: 16390, Key: "\x00k"}

func entry() *chunk.Entry {
	return &chunk.Entry{ID: chunk.ID{1, 2, 15: 9}, Version: 1, Slice: -3, Rows: 2, Schema: 700, Location: chunk.Location{Offset: 17}, From: 5,
		Time: chunk.TimeRange{Min: 1, Max: 9}, KeyMin: []byte("a"), KeyMax: []byte("ab"), Columns: []chunk.ColumnEntry{
			{ID: 1, Type: datum.Of(datum.Text), Size: 3, Codec: "raw"}, {ID: 2, Type: datum.Of(datum.Int8), Size: 2, Codec: "raw"}}}
}

func object(t testing.TB) ([]byte, backup.Ref) {
	t.Helper()
	var out bytes.Buffer
	w := backup.NewWriter(&out)
	if err := errors.Join(w.Object(part, entry()), w.Blob([]byte("abc")), w.Blob([]byte("de")), w.Close()); err != nil {
		t.Fatal(err)
	}
	f, err := backup.NewReader(&out).Next()
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(f.Object)
	if err != nil {
		t.Fatal(err)
	}
	return data, *f.Ref
}

// TestObject is what format.md draws.
func TestObject(t *testing.T) {
	data, ref := object(t)
	plain := entry()
	plain.Schema, plain.Location, plain.From = 0, chunk.Location{}, 0
	text := chunk.AppendEntry(nil, plain)
	want := append([]byte("PHYCHNK1"), binary.AppendUvarint(nil, 16390)...)
	want = append(want, 2, 0, 'k')
	want = append(binary.AppendUvarint(want, uint64(len(text))), text...)
	want = append(want, "abcde"...)
	if !bytes.Equal(data, want) {
		t.Fatalf("object\n%x\nis not\n%x", data, want)
	}
	if ref != (backup.Ref{Part: part, ID: plain.ID, Rows: 2, Size: int64(len(want))}) {
		t.Errorf("ref %+v", ref)
	}
	of, c, err := backup.DecodeObject(data)
	if err != nil || of != part || !reflect.DeepEqual(&c.Entry, plain) || string(c.Blobs[0]) != "abc" || string(c.Blobs[1]) != "de" {
		t.Errorf("decoded %v %+v %q: %v", of, c.Entry, c.Blobs, err)
	}
	for n := range data {
		if _, _, err := backup.DecodeObject(data[:n]); !errors.Is(err, chunk.ErrCorrupt) {
			t.Errorf("%d of %d bytes: %v", n, len(data), err)
		}
	}
	data[7]++
	if _, _, err := backup.DecodeObject(data); !errors.Is(err, chunk.ErrNewerFormat) {
		t.Errorf("version 2: %v", err)
	}
}

func document() *backup.Document {
	return &backup.Document{
		Header:  backup.Header{Name: "x", Database: "phyllo", Taken: time.Unix(1, 0).UTC(), Positions: map[string]uint64{"a": 7}, Rows: 2},
		Catalog: schema.NewCatalog("phyllo"),
		Parts:   []backup.Part{{ID: part, Chunks: []backup.Chunk{{ID: chunk.ID{1}, Hash: backup.Hash{2}, Size: 300, Rows: 2}}}},
	}
}

// TestDocument is what format.md draws.
func TestDocument(t *testing.T) {
	d := document()
	data, err := d.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []byte("PHYBKUP1")
	for i, v := range []any{d.Header, d.Catalog} {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		want = append(binary.AppendUvarint(want, uint64(len(text))), text...)
		if i == 0 {
			sum := sha256.Sum256(want)
			want = append(want, sum[:]...)
		}
	}
	want = binary.AppendUvarint(append(want, 1), 16390)
	want = append(append(want, 2, 0, 'k', 1, 1), make([]byte, 15)...)
	want = append(append(want, 2), make([]byte, 31)...)
	want = append(binary.AppendUvarint(want, 300), 2)
	sum := sha256.Sum256(want)
	if want = append(want, sum[:]...); !bytes.Equal(data, want) {
		t.Fatalf("document\n%q\nis not\n%q", data, want)
	}
	got, err := backup.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := got.Append(nil); err != nil || !bytes.Equal(again, data) || !reflect.DeepEqual(got.Header, d.Header) || !reflect.DeepEqual(got.Parts, d.Parts) {
		t.Errorf("decoded %+v: %v", got, err)
	}
	h, err := backup.ReadHeader(io.MultiReader(bytes.NewReader(data), errReader{}))
	if err != nil || !reflect.DeepEqual(*h, d.Header) {
		t.Errorf("header %+v: %v", h, err)
	}
	for bit := range 8 * len(data) {
		data[bit/8] ^= 1 << (bit % 8)
		if _, err := backup.Decode(data); !errors.Is(err, chunk.ErrCorrupt) && !errors.Is(err, chunk.ErrNewerFormat) {
			t.Fatalf("bit %d flipped: %v", bit, err)
		}
		data[bit/8] ^= 1 << (bit % 8)
	}
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, io.EOF }

// TestStream reads what was written, and notices where it is cut off.
func TestStream(t *testing.T) {
	var out bytes.Buffer
	w := backup.NewWriter(&out)
	big := entry()
	big.Columns[1].Size = 1 << 20
	err := errors.Join(w.Header(&backup.Header{Database: "d"}), w.Catalog(schema.NewCatalog("d")), w.Ref(part, entry()),
		w.Object(part, big), w.Blob([]byte("abc")), w.Blob(make([]byte, 1<<20)), w.Close())
	if err != nil {
		t.Fatal(err)
	}
	stream := out.Bytes()
	read := func(in io.Reader) (frames string, err error) {
		r := backup.NewReader(in)
		for {
			f, err := r.Next()
			switch {
			case err != nil:
				return frames, err
			case f.Header != nil:
				frames += "H" + f.Header.Database
			case f.Catalog != nil:
				frames += "C" + f.Catalog.Database
			case f.Object != nil:
				frames += "O"
				if _, err := io.Copy(io.Discard, f.Object); err != nil {
					return frames, err
				}
			case f.Ref != nil:
				frames += "R"
			}
		}
	}
	if frames, err := read(bytes.NewReader(stream)); frames != "HdCdRO" || !errors.Is(err, io.EOF) {
		t.Errorf("frames %s: %v", frames, err)
	}
	for _, n := range []int{0, 1, 5, 200, 4000, len(stream) / 2, len(stream) - 1} {
		if _, err := read(bytes.NewReader(stream[:min(n, len(stream)-1)])); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut off after %d bytes: %v", n, err)
		}
	}
	if _, err := read(strings.NewReader("E\x03")); !errors.Is(err, chunk.ErrCorrupt) {
		t.Errorf("a wrong count: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	data, _ := object(f)
	f.Add(data)
	doc, err := document().Append(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(doc)
	f.Add(backup.AppendName(nil, backup.Ref{Part: part}))
	f.Fuzz(func(t *testing.T, src []byte) {
		if _, c, err := backup.DecodeObject(src); err == nil {
			if err := c.Check(); err != nil {
				t.Error(err)
			}
		} else if !errors.Is(err, chunk.ErrCorrupt) && !errors.Is(err, chunk.ErrNewerFormat) {
			t.Errorf("object: %v", err)
		}
		if _, err := backup.Decode(src); err != nil && !errors.Is(err, chunk.ErrCorrupt) && !errors.Is(err, chunk.ErrNewerFormat) {
			t.Errorf("document: %v", err)
		}
		if len(src) >= sha256.Size { // behind the checksum
			sum := sha256.Sum256(src[:len(src)-sha256.Size])
			if _, err := backup.Decode(append(bytes.Clone(src[:len(src)-sha256.Size]), sum[:]...)); err != nil && !errors.Is(err, chunk.ErrCorrupt) && !errors.Is(err, chunk.ErrNewerFormat) {
				t.Errorf("document: %v", err)
			}
		}
		_, _ = backup.DecodeNames(src)
		r := backup.NewReader(bytes.NewReader(src))
		for {
			fr, err := r.Next()
			if err != nil {
				break
			}
			if fr.Object != nil {
				if _, err := io.Copy(io.Discard, fr.Object); err != nil {
					break // it is cut off
				}
			}
		}
	})
}
