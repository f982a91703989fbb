package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var seed = flag.Uint64("seed", 0, "seed of the random tests; 0 takes one from the clock")

func newRand(t testing.TB) *rand.Rand {
	t.Helper()
	s := *seed
	if s == 0 {
		s = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d (give it back with -seed)", s)
	return rand.New(rand.NewPCG(s, 1))
}

// flip changes one bit of a file.
func flip(t testing.TB, path string, offset int64) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[offset] ^= 0x10
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// chunkOf returns what inspect says of a chunk.
func chunkOf(t testing.TB, dir string, args ...string) (c chunkReport) {
	t.Helper()
	text, err := inspect(t, utf8Locale, append([]string{dir, "--json"}, args...)...)
	if err := errors.Join(err, json.Unmarshal([]byte(text), &c)); err != nil {
		t.Fatal(err)
	}
	return c
}

// verifyJSON runs --verify and returns what is damaged.
func verifyJSON(t testing.TB, dir string, args ...string) (verifyReport, error) {
	t.Helper()
	text, err := inspect(t, utf8Locale, append([]string{dir, "--verify", "--json"}, args...)...)
	var r verifyReport
	if jerr := json.Unmarshal([]byte(text), &r); jerr != nil {
		t.Fatalf("%v: %v\n%s", err, jerr, text)
	}
	return r, err
}

// TestVerifyFindsABit flips bits anywhere in the blobs of a chunk: --verify
// tells the column and its place, and goes on with the rest.
func TestVerifyFindsABit(t *testing.T) {
	r := newRand(t)
	clean, err := verifyJSON(t, fixture(t))
	if err != nil || len(clean.Damage) > 0 || clean.Chunks != 14 || clean.Rows != 9307 {
		t.Fatalf("before: %+v, %v", clean, err)
	}
	for range 12 {
		dir := fixture(t)
		c := chunkOf(t, dir, "readings", "1", "0")
		at := c.Offset + r.Int64N(c.Bytes)
		flip(t, filepath.Join(dir, c.File), at)
		want, offset := "", c.Offset
		for _, col := range c.Columns {
			if at < offset+col.Bytes {
				want = col.Name
				break
			}
			offset += col.Bytes
		}
		got, err := verifyJSON(t, dir)
		if err == nil || err.Error() != "1 part is damaged" || len(got.Damage) != 1 {
			t.Fatalf("byte %d: %v, %+v", at, err, got.Damage)
		}
		d := got.Damage[0]
		if d.Table != "public.readings" || d.PartitionKey != "0001" || d.Partition != "bucket 1 of 2" || d.Chunk != c.ID || d.Column != want ||
			d.File != c.File || d.Offset == nil || *d.Offset != offset || d.Problem != "its checksum is wrong" {
			t.Errorf("byte %d, column %s at %d: %+v", at, want, offset, d)
		}
		if got.Chunks != clean.Chunks || got.Files != clean.Files {
			t.Errorf("it did not go on: %+v, before %+v", got, clean)
		}
		one, err := verifyJSON(t, dir, "readings", "1", "0")
		if err == nil || len(one.Damage) != 1 || one.Chunks != 1 || one.Files != 0 || one.Damage[0].Column != want || *one.Damage[0].Offset != offset {
			t.Errorf("the chunk alone: %v, %+v", err, one)
		}
		if other, err := verifyJSON(t, dir, "trips"); err != nil || len(other.Damage) > 0 {
			t.Errorf("another table: %v, %+v", err, other)
		}
		if _, err := inspect(t, utf8Locale, dir, "readings", "1", "0", want); err == nil || !strings.Contains(err.Error(), c.File) {
			t.Errorf("the column alone: %v", err)
		}
		if _, err := inspect(t, utf8Locale, dir, "readings", "1", "0"); err != nil {
			t.Errorf("the chunk is listed from its manifest entry: %v", err)
		}
	}
}

// TestVerifyText pins what people are told.
func TestVerifyText(t *testing.T) {
	dir := fixture(t)
	c := chunkOf(t, dir, "trips", "2", "1")
	flip(t, filepath.Join(dir, c.File), c.Offset)                 // the first column
	flip(t, filepath.Join(dir, c.File), c.Offset+c.Bytes-1)       // the last
	other := chunkOf(t, dir, "readings", "0", "0")                //
	flip(t, filepath.Join(dir, other.File), other.Offset+c.Bytes) // and one of another table
	got, err := inspect(t, utf8Locale, dir, "--verify")
	if err == nil || err.Error() != "3 parts are damaged" {
		t.Errorf("%v", err)
	}
	golden(t, "verify_damage", normalize(dir, got))
}

// TestVerifyOtherFiles damages files of each other kind.
func TestVerifyOtherFiles(t *testing.T) {
	segment := func(dir string) string { return filepath.Join(dir, chunkOf(t, dir, "readings", "1", "0").File) }
	for _, c := range []struct {
		name   string
		damage func(t *testing.T, dir string)
		want   []string // of the damage, as text
		chunks int
	}{
		{"directory of a segment", func(t *testing.T, dir string) {
			path := segment(dir)
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			flip(t, path, info.Size()-40)
		}, []string{"table public.readings, partition bucket 1 of 2 (key 0001)", "file chunks/16384/_0001/", "checksum of the directory"}, 14},
		{"segment cut off", func(t *testing.T, dir string) {
			if err := os.Truncate(segment(dir), 1000); err != nil {
				t.Fatal(err)
			}
		}, []string{"table public.readings", "column level", "column value", "no trailer", "the file is 1000 bytes long"}, 14},
		{"missing segment", func(t *testing.T, dir string) {
			if err := os.Remove(segment(dir)); err != nil {
				t.Fatal(err)
			}
		}, []string{"table public.readings, partition bucket 1 of 2 (key 0001), chunk 018e283b-ee00-7002-", "file chunks/16384/_0001/", "the commit log names the chunk, and it is not there", "2 parts are damaged"}, 12},
		{"checkpoint", func(t *testing.T, dir string) {
			for range 3 { // so that there is a commit to fold
				db, closeAll, err := openEngine(dir)
				if err == nil {
					err = errors.Join(db.Checkpoint(t.Context()), closeAll())
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			names, err := filepath.Glob(filepath.Join(dir, "checkpoints", "2_*"))
			if err != nil || len(names) == 0 {
				t.Fatalf("%v, %v", names, err)
			}
			flip(t, names[0], 100)
		}, []string{"table public.", ", commit log\n", "file checkpoints/2_", "is corrupt", "1 part"}, -1},
		{"source log", func(t *testing.T, dir string) { flipLog(t, dir, "source", []byte("sensor 3")) },
			[]string{"source", "corrupt at offset"}, 14},
		{"commit log", func(t *testing.T, dir string) { flipLog(t, dir, "commit", []byte(`"Retention"`)) },
			[]string{"commit", "corrupt at offset"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := fixture(t)
			c.damage(t, dir)
			r, err := verifyJSON(t, dir)
			if err == nil || len(r.Damage) == 0 || c.chunks >= 0 && r.Chunks != c.chunks {
				t.Fatalf("%v, %+v", err, r)
			}
			text, err := inspect(t, utf8Locale, dir, "--verify")
			if err == nil {
				t.Fatal("no error")
			}
			text += err.Error()
			for _, w := range c.want {
				if !strings.Contains(text, w) {
					t.Errorf("%q is not in\n%s", w, text)
				}
			}
		})
	}
}

// flipLog damages the one log file of a sequence within the first record that
// has a text. What is written after it is good, so that it is no torn end.
func flipLog(t *testing.T, dir, sequence string, text []byte) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, sequence, "*.log"))
	if err != nil || len(names) != 1 {
		t.Fatalf("%v, %v", names, err)
	}
	b, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(b, text)
	if at < 0 {
		t.Fatalf("%s is not in %s", text, names[0])
	}
	flip(t, names[0], int64(at))
}

// TestInspectOfDamage shows what can be read of a folder with a damaged log,
// and says that it is not all.
func TestInspectOfDamage(t *testing.T) {
	dir := fixture(t)
	flipLog(t, dir, "source", []byte("sensor 3"))
	got, err := inspect(t, utf8Locale, dir)
	if err == nil || !strings.Contains(err.Error(), "corrupt at offset") {
		t.Errorf("%v", err)
	}
	for _, w := range []string{"public.readings  9,000", "DAMAGED  ", "corrupt at offset"} {
		if !strings.Contains(got, w) {
			t.Errorf("%q is not in\n%s", w, got)
		}
	}
	flipLog(t, dir, "commit", []byte(`"Retention"`))
	got, err = inspect(t, utf8Locale, dir)
	if err == nil || strings.Count(got, "DAMAGED") != 2 {
		t.Errorf("%v\n%s", err, got)
	}
	if _, err := inspect(t, utf8Locale, dir, "readings"); err == nil || !strings.Contains(err.Error(), "corrupt at offset") {
		t.Errorf("a table that cannot be known: %v", err)
	}
}
