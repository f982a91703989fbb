package backuprepo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/backup"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/tools/testenv"
)

func s3Repository(t *testing.T, s *testenv.S3, address string) *Repository {
	t.Helper()
	r, err := Open(address, Options{S3: S3Options{Endpoint: s.URL, Region: "us-east-1", PathStyle: true}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// eachRepository runs a test on both kinds.
func eachRepository(t *testing.T, f func(t *testing.T, r *Repository)) {
	t.Run("folder", func(t *testing.T) {
		r, err := Open(filepath.Join(t.TempDir(), "deep", "backups"), Options{})
		if err != nil {
			t.Fatal(err)
		}
		f(t, r)
	})
	t.Run("s3", func(t *testing.T) {
		s := testenv.StartS3(t)
		f(t, s3Repository(t, s, "s3://bucket/some/prefix"))
	})
}

// putChunk uploads made-up bytes as a chunk.
func putChunk(t *testing.T, r *Repository, id byte, data []byte) backup.Chunk {
	t.Helper()
	s, err := NewSpool(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	c := backup.Chunk{ID: chunk.ID{15: id}, Hash: s.Hash(), Size: int64(len(data)), Rows: 1}
	if err := errors.Join(r.PutChunk(t.Context(), c.ID, s), s.Close()); err != nil {
		t.Fatal(err)
	}
	if want := sha256.Sum256(data); c.Hash != want {
		t.Fatalf("hash %x, not %x", c.Hash, want)
	}
	return c
}

func putBackup(t *testing.T, r *Repository, name string, chunks ...backup.Chunk) {
	t.Helper()
	d := &backup.Document{Header: backup.Header{Name: name, Chunks: len(chunks)}, Catalog: schema.NewCatalog("phyllo"), Parts: []backup.Part{{Chunks: chunks}}}
	if err := r.PutBackup(t.Context(), d); err != nil {
		t.Fatal(err)
	}
}

func TestRepository(t *testing.T) {
	eachRepository(t, func(t *testing.T, r *Repository) {
		if err := r.Check(t.Context()); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("before there is one: %v", err)
		}
		for range 2 {
			if err := r.Create(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := r.Backup(t.Context(), ""); err == nil {
			t.Error("there is a backup")
		}
		small, large := []byte("abc"), make([]byte, 40<<20)
		rng := rand.NewChaCha8([32]byte{1})
		rng.Read(large)
		a, b, none := putChunk(t, r, 1, small), putChunk(t, r, 2, large), putChunk(t, r, 3, nil)
		have, err := r.Chunks(t.Context())
		if err != nil || len(have) != 3 || have[a.ID] != (Stored{a.Hash, 3}) || have[b.ID] != (Stored{b.Hash, 40 << 20}) || have[none.ID].Size != 0 {
			t.Fatalf("chunks %v: %v", have, err)
		}
		for _, c := range []struct {
			backup.Chunk
			data []byte
		}{{a, small}, {b, large}, {none, nil}} {
			if data, err := r.ReadChunk(t.Context(), c.Chunk); err != nil || !bytes.Equal(data, c.data) {
				t.Errorf("%d bytes of %d: %v", len(data), len(c.data), err)
			}
		}
		putBackup(t, r, "1", a, b)
		putBackup(t, r, "2", a, none)
		list, err := r.Backups(t.Context())
		if err != nil || len(list) != 2 || list[0].Name != "1" || list[1].Header.Chunks != 2 {
			t.Fatalf("list %+v: %v", list, err)
		}
		if d, err := r.Backup(t.Context(), ""); err != nil || d.Header.Name != "2" {
			t.Fatalf("the newest: %+v, %v", d, err)
		}
		if _, err := r.Backup(t.Context(), "3"); err == nil {
			t.Error("there is a backup 3")
		}
		lock, err := r.Lock(t.Context(), true)
		if err != nil {
			t.Fatal(err)
		}
		g, err := r.Prune(t.Context(), lock, map[string]bool{"1": true})
		if err != nil || len(g.Names) != 1 || g.Bytes != 40<<20 {
			t.Fatalf("garbage %+v: %v", g, err)
		}
		if err := lock.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		if have, err = r.Chunks(t.Context()); err != nil || len(have) != 2 {
			t.Fatalf("chunks %v: %v", have, err)
		}
		if _, err := r.ReadChunk(t.Context(), b); !errors.Is(err, chunk.ErrCorrupt) || !strings.Contains(err.Error(), "is missing") {
			t.Errorf("a chunk that is gone: %v", err)
		}
	})
}

// TestDamage flips a bit, and cuts an object off.
func TestDamage(t *testing.T) {
	eachRepository(t, func(t *testing.T, r *Repository) {
		if err := r.Create(t.Context()); err != nil {
			t.Fatal(err)
		}
		c := putChunk(t, r, 1, []byte("abcdef"))
		putBackup(t, r, "1", c)
		for _, bytes := range [][]byte{[]byte("abcdeg"), []byte("abc"), []byte("abcdefg"), nil} {
			rewrite(t, r, chunkName(c.ID, c.Hash), bytes)
			if _, err := r.ReadChunk(t.Context(), c); !errors.Is(err, chunk.ErrCorrupt) {
				t.Errorf("%q: %v", bytes, err)
			}
		}
		rewrite(t, r, backupFolder+"1", []byte("PHYBKUP1"))
		if list, err := r.Backups(t.Context()); err != nil || len(list) != 1 || !errors.Is(list[0].Err, chunk.ErrCorrupt) {
			t.Errorf("list %+v: %v", list, err)
		}
		lock, err := r.Lock(t.Context(), true)
		if err != nil {
			t.Fatal(err)
		}
		defer lock.Release(t.Context())
		if _, err := r.Prune(t.Context(), lock, nil); !errors.Is(err, chunk.ErrCorrupt) {
			t.Errorf("pruning beside a damaged backup: %v", err)
		}
		if have, err := r.Chunks(t.Context()); err != nil || len(have) != 1 {
			t.Errorf("chunks %v: %v", have, err)
		}
	})
}

func rewrite(t *testing.T, r *Repository, name string, data []byte) {
	t.Helper()
	if err := r.objects.put(t.Context(), name, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
}

// TestFlakyS3 has requests fail and connections break.
func TestFlakyS3(t *testing.T) {
	s := testenv.StartS3(t)
	r := s3Repository(t, s, "s3://bucket")
	s.FailEvery(5)
	if err := r.Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	var chunks []backup.Chunk
	for i := range 10 {
		chunks = append(chunks, putChunk(t, r, byte(i), []byte(fmt.Sprint("chunk ", i))))
	}
	putBackup(t, r, "1", chunks...)
	for i, c := range chunks {
		if data, err := r.ReadChunk(t.Context(), c); err != nil || string(data) != fmt.Sprint("chunk ", i) {
			t.Errorf("%q: %v", data, err)
		}
	}
	if s.Failed() < 4 {
		t.Errorf("only %d requests failed", s.Failed())
	}
}

// TestS3Refuses hears what is wrong in words, which say no secret.
func TestS3Refuses(t *testing.T) {
	s := testenv.StartS3(t)
	if err := s3Repository(t, s, "s3://other/prefix").Create(t.Context()); err == nil || !strings.Contains(err.Error(), "there is no bucket other") {
		t.Errorf("no bucket: %v", err)
	}
	for _, address := range []string{"s3://", "s3:///prefix", "s3://key:secret@bucket", "gs://bucket"} {
		if _, err := Open(address, Options{}); err == nil {
			t.Errorf("%s was opened", address)
		}
	}
	for _, endpoint := range []string{"host:9000", "ftp://host", "http://user:secret@host", "http://host/path"} {
		if _, err := Open("s3://bucket", Options{S3: S3Options{Endpoint: endpoint}}); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("endpoint %s: %v", endpoint, err)
		}
	}
	t.Setenv("AWS_SECRET_ACCESS_KEY", "another-secret")
	err := s3Repository(t, s, "s3://bucket").Create(t.Context())
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a wrong key: %v", err)
	}
}

// TestCreateRefuses does not mix backups with other things.
func TestCreateRefuses(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "letter.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Create(t.Context()); err == nil || !strings.Contains(err.Error(), "letter.txt") {
		t.Errorf("a folder with other things: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, markerName), []byte(`{"Format": 2}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.Create(t.Context()); !errors.Is(err, chunk.ErrNewerFormat) {
		t.Errorf("a newer format: %v", err)
	}
}

func TestLocks(t *testing.T) {
	eachRepository(t, func(t *testing.T, r *Repository) {
		if err := r.Create(t.Context()); err != nil {
			t.Fatal(err)
		}
		lock := func(alone bool) *Lock {
			t.Helper()
			l, err := r.Lock(t.Context(), alone)
			if err != nil {
				t.Fatal(err)
			}
			return l
		}
		release := func(locks ...*Lock) {
			t.Helper()
			for _, l := range locks {
				if err := l.Release(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		a, b := lock(false), lock(false)
		if _, err := r.Lock(t.Context(), true); err == nil {
			t.Fatal("alone beside two others")
		}
		release(a, b)
		c := lock(true)
		if _, err := r.Lock(t.Context(), false); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("process %d", os.Getpid())) {
			t.Fatalf("beside somebody who wants to be alone: %v", err)
		}
		release(c)
		release(lock(false))
		for o, err := range r.objects.list(t.Context(), lockFolder) {
			t.Errorf("%v %v is left over", o, err)
		}
	})
}

// TestLocksRunOut has a lock whose holder died: it is in the way only until it runs out.
// One that lives writes its lock again.
func TestLocksRunOut(t *testing.T) {
	dir := t.TempDir()
	open := func() *Repository {
		r, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := open()
	if err := r.Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	dead, err := r.Lock(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	dead.cancel() // it is not written again
	<-dead.ended
	old := time.Now().Add(-2 * lockStale * lockRefresh)
	if err := os.Chtimes(filepath.Join(dir, dead.name), old, old); err != nil {
		t.Fatal(err)
	}
	alone, err := r.Lock(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, dead.name)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the lock of the dead: %v", err)
	}
	if err := alone.Release(t.Context()); err != nil {
		t.Fatal(err)
	}

	fast := open()
	fast.refresh = 10 * time.Millisecond
	l, err := fast.Lock(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, l.name)
	for range 500 { // until it was written again
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
		for range 100 {
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if info.ModTime().After(old.Add(time.Second)) {
				if err := l.Held(); err != nil {
					t.Error(err)
				}
				if err := l.Release(t.Context()); err != nil {
					t.Fatal(err)
				}
				return
			}
			<-time.After(time.Millisecond)
		}
	}
	t.Error("the lock is not written again")
}

// TestHeld has a holder that stood still for longer than its lock is good.
func TestHeld(t *testing.T) {
	l := &Lock{repository: &Repository{refresh: time.Minute}, renewed: time.Now().Add(-lockLost*time.Minute - time.Second)}
	if err := l.Held(); err == nil {
		t.Error("it is held")
	}
	l.renewed = time.Now()
	if err := l.Held(); err != nil {
		t.Error(err)
	}
}

// TestPartialFiles of a put that was killed are no objects, and go with Prune.
func TestPartialFiles(t *testing.T) {
	dir := t.TempDir()
	r, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := putChunk(t, r, 1, []byte("abc"))
	partial := filepath.Join(filepath.Dir(filepath.Join(dir, chunkName(c.ID, c.Hash))), partialPrefix+"77")
	if err := os.WriteFile(partial, []byte("ab"), 0o600); err != nil {
		t.Fatal(err)
	}
	// Nor is one whose bytes cannot be read to their end.
	if err := r.objects.put(context.Background(), "chunks/broken", brokenBody{bytes.NewReader(make([]byte, 10))}); err == nil {
		t.Error("half a body was put")
	}
	if have, err := r.Chunks(t.Context()); err != nil || len(have) != 1 {
		t.Fatalf("chunks %v: %v", have, err)
	}
	lock, err := r.Lock(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release(t.Context())
	if _, err := r.Prune(t.Context(), lock, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(partial); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a partial file: %v", err)
	}
}

type brokenBody struct{ *bytes.Reader }

func (b brokenBody) Read([]byte) (int, error)               { return 0, io.ErrUnexpectedEOF }
func (b brokenBody) WriteTo(w io.Writer) (int64, error)     { return 0, io.ErrUnexpectedEOF }
func (b brokenBody) ReadAt(p []byte, at int64) (int, error) { return 0, io.ErrUnexpectedEOF }
