package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/vfs"
)

// TestGroupCommit holds the first fsync until others wait: they share the next.
func TestGroupCommit(t *testing.T) {
	const waiters = 20
	var once sync.Once
	started, gate := make(chan struct{}), make(chan struct{})
	fault := vfs.NewFault(vfs.NewMem(), nil)
	s, err := Open(Options{Dir: "/data", FS: fault})
	if err != nil {
		t.Fatal(err)
	}
	fault.Set(func(c vfs.Call) vfs.Fate {
		if c.Op == vfs.OpSync {
			once.Do(func() { close(started); <-gate })
		}
		return vfs.Fate{}
	})
	log := func(i int) store.LogID { return store.LogID{Kind: store.SourceLog, Key: string(rune('a' + i))} }
	var wg sync.WaitGroup
	add := func(i int) {
		if err := s.Append(context.Background(), log(i), 1, []byte("x")); err != nil {
			t.Error(err)
		}
	}
	wg.Go(func() { add(0) })
	<-started
	for i := range waiters {
		wg.Go(func() { add(i + 1) })
	}
	for queued := 0; queued < waiters; runtime.Gosched() {
		s.source.mu.Lock()
		queued = len(s.source.queue)
		s.source.mu.Unlock()
	}
	if head, err := s.Head(context.Background(), log(0)); err != nil || head != 0 {
		t.Errorf("head %d, %v before the fsync", head, err)
	}
	close(gate)
	wg.Wait()
	if b, r := s.metrics.LogBatches.Load(), s.metrics.LogRecords.Load(); b != 2 || r != waiters+1 {
		t.Errorf("%d batches for %d records", b, r)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestFailedBatchFailsWhatFollows fails a batch on which queued appends build.
func TestFailedBatchFailsWhatFollows(t *testing.T) {
	var once sync.Once
	started, gate := make(chan struct{}), make(chan struct{})
	broken := errors.New("broken")
	fault := vfs.NewFault(vfs.NewMem(), nil)
	s, err := Open(Options{Dir: "/data", FS: fault})
	if err != nil {
		t.Fatal(err)
	}
	fault.Set(func(c vfs.Call) (f vfs.Fate) {
		if c.Op == vfs.OpSync {
			once.Do(func() { close(started); <-gate; f.Err = broken })
		}
		return f
	})
	ctx := context.Background()
	a, b := store.LogID{Kind: store.SourceLog, Key: "a"}, store.LogID{Kind: store.SourceLog, Key: "b"}
	errs := make([]error, 5)
	var wg sync.WaitGroup
	add := func(i int, id store.LogID, seq uint64, queued int) {
		wg.Go(func() { errs[i] = s.Append(ctx, id, seq, []byte{byte(i)}) })
		for n := -1; n < queued; runtime.Gosched() {
			s.source.mu.Lock()
			n = len(s.source.queue)
			s.source.mu.Unlock()
		}
	}
	add(0, a, 1, 0)
	<-started
	add(1, a, 2, 1) // on top of what fails
	add(2, b, 1, 2) // of another log
	add(3, b, 2, 3)
	wg.Go(func() { errs[4] = s.Append(ctx, a, 1, []byte{4}) }) // waits for the first one's outcome, then takes its place
	close(gate)
	wg.Wait()
	if !errors.Is(errs[0], broken) || !errors.Is(errs[1], broken) {
		t.Errorf("the failed one: %v; what built on it: %v", errs[0], errs[1])
	}
	if errs[2] != nil || errs[3] != nil || errs[4] != nil {
		t.Errorf("the others: %v, %v, %v", errs[2], errs[3], errs[4])
	}
	var got []byte
	for e, err := range s.Read(ctx, a, 1) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e.Data...)
	}
	if !bytes.Equal(got, []byte{4}) {
		t.Errorf("log a holds %v", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestTooManyLogs makes logs until a head could not list them all.
func TestTooManyLogs(t *testing.T) {
	disk := vfs.NewMem()
	ctx := context.Background()
	open := func() *Store {
		s, err := Open(Options{Dir: "/data", FS: disk})
		if err != nil {
			t.Fatal(err)
		}
		s.source.maxLogBytes = 10 * 40
		return s
	}
	s := open()
	log := func(i int) store.LogID { return store.LogID{Kind: store.SourceLog, Key: fmt.Sprintf("writer-%04d", i)} } // 29+11 bytes
	for i := range 10 {
		if err := s.Append(ctx, log(i), 1, nil); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := s.Append(ctx, log(10), 1, nil); pgerr.Code(err) != pgerr.ProgramLimitExceeded {
			t.Errorf("one log too many: %v", err)
		}
		if err := s.Append(ctx, log(3), 2, nil); err != nil {
			t.Errorf("append to a log that is there: %v", err)
		}
		if err := errors.Join(s.Drop(ctx, log(3)), s.Append(ctx, log(3), 1, nil)); err != nil {
			t.Errorf("a log in place of another: %v", err)
		}
		state := s.source.head(nil)
		state.files = nil
		if n := len(state.append(nil)); n != 1+8+4+4+10*40 || s.source.logBytes != 10*40 {
			t.Errorf("the head takes %d bytes, %d are counted for the logs", n, s.source.logBytes)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open()
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestKeyNames(t *testing.T) {
	seen := map[string]string{}
	for _, key := range []string{"", "a", "A", "/", "..", string(bytes.Repeat([]byte("k"), 96)), string(bytes.Repeat([]byte("k"), 97)), string(bytes.Repeat([]byte("k"), 5000))} {
		name := keyName(key)
		if len(name) > 200 || seen[name] != "" {
			t.Errorf("key %.20q: name of %d bytes, also of %.20q", key, len(name), seen[name])
		}
		seen[name] = key
		if back, ok := plainKey(name); ok != (len(key) <= plainKeyBytes) || ok && back != key {
			t.Errorf("key %.20q comes back as %.20q, %v", key, back, ok)
		}
	}
}

// FuzzLogTail puts any bytes behind the good ones of a log file, and any head
// and frames into a new one: opening gives what was acknowledged or says that
// the file is corrupt.
func FuzzLogTail(f *testing.F) {
	f.Add([]byte(nil), uint8(0), []byte(nil))
	f.Add([]byte("PhL1"), uint8(frameEntry), []byte("x"))
	f.Add(bytes.Repeat([]byte{0}, 600), uint8(frameTrim), bytes.Repeat([]byte{255}, 40))
	f.Add([]byte(nil), uint8(frameHead), (&head{next: 3, files: []headFile{{1, 100}}, logs: []headLog{{number: 1, id: store.LogID{Kind: 1, Key: "k"}, first: 1, last: 2}}}).append(nil))
	f.Add([]byte(nil), uint8(frameHead), (&head{next: 3, logs: []headLog{{number: 1, id: store.LogID{Kind: 1, Key: "k"}, first: 1, last: 1 << 62}}}).append(nil))
	f.Add([]byte(nil), uint8(frameHead), (&head{next: 3, files: []headFile{{9, 1 << 60}}, logs: []headLog{{number: 1, id: store.LogID{Kind: 1, Key: "k"}, first: 1, last: 1 << 50}}}).append(nil))
	f.Fuzz(func(t *testing.T, tail []byte, typ uint8, payload []byte) {
		disk := vfs.NewMem()
		ctx := context.Background()
		s, err := Open(Options{Dir: "/data", FS: disk})
		if err != nil {
			t.Fatal(err)
		}
		id := store.LogID{Kind: store.SourceLog, Key: "k"}
		for i := range 3 {
			if err := s.Append(ctx, id, uint64(i+1), []byte("data")); err != nil {
				t.Fatal(err)
			}
		}
		seed, path := s.source.active.seed, s.source.active.path
		end := s.source.active.valid
		number := s.source.nextFile
		// A tail of any bytes, then a frame that is good but for its meaning.
		crashed := disk.Kill()
		if err := crashed.Corrupt(path, func(b []byte) []byte {
			b = append(b, tail...)
			at := int64(len(b))
			return appendFrame(b, seed, frame{typ: frameType(typ), log: 1, seq: 4, offset: at, batch: end, payload: payload})
		}); err != nil {
			t.Fatal(err)
		}
		reopen(t, crashed, id)
		// A whole new file with such a head.
		crashed = disk.Kill()
		file, err := crashed.Create(s.path("source", logName(number)))
		if err != nil {
			t.Fatal(err)
		}
		seed = fileSeed(s.id, 's', number)
		b := appendLogHeader(nil, number)
		b = appendFrame(b, seed, frame{typ: frameHead, offset: int64(len(b)), payload: payload})
		b = appendFrame(b, seed, frame{typ: frameReady, offset: int64(len(b))})
		b = append(b, tail...)
		if _, err := file.Write(b); err != nil {
			t.Fatal(err)
		}
		if o, err := Open(Options{Dir: "/data", FS: crashed}); err == nil {
			_, _ = o.Head(ctx, id) // whatever that head says
			if err := o.Close(); err != nil {
				t.Fatal(err)
			}
		} else if !isCorrupt(err) {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func reopen(t *testing.T, disk *vfs.Mem, id store.LogID) {
	t.Helper()
	s, err := Open(Options{Dir: "/data", FS: disk})
	if err != nil {
		if !isCorrupt(err) {
			t.Fatal(err)
		}
		return
	}
	n := 0
	for e, err := range s.Read(context.Background(), id, 1) {
		if errors.Is(err, store.ErrTrimmed) {
			n = 3 // a frame that trims, or drops, is no damage
			break
		}
		if err != nil || n < 3 && string(e.Data) != "data" {
			t.Fatalf("entry %d: %q, %v", n+1, e.Data, err)
		}
		n++
	}
	head, err := s.Head(context.Background(), id)
	if err != nil || n < 3 && head != 0 {
		t.Fatalf("%d entries of 3, head %d, %v", n, head, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// FuzzFiles parses any bytes as what the other files hold.
func FuzzFiles(f *testing.F) {
	f.Add(appendFormat(nil, [16]byte{1}))
	f.Add(checkpointHeader(store.LogID{Kind: store.CommitLog, Key: "k"}, nil))
	f.Add((&head{next: 1}).append(nil))
	f.Add(append(make([]byte, 12), 255, 255, 255, 255))
	f.Fuzz(func(t *testing.T, b []byte) {
		if id, err := parseFormat(b); err == nil && !bytes.Equal(b, appendFormat(nil, id)) {
			t.Fatalf("accepted %q", b)
		}
		if h, err := parseHead(b); err == nil && !bytes.Equal(h.append(nil), b) {
			t.Fatalf("head %x comes back as %x", b, h.append(nil))
		} else if err != nil && !errors.Is(err, errBadFrame) {
			t.Fatal(err)
		}
		if _, _, err := parseCheckpoint(b); err != nil && !errors.Is(err, errBadFrame) {
			t.Fatal(err)
		}
		if _, err := parseDirectory(b, 1<<20); err != nil && !errors.Is(err, errBadFrame) {
			t.Fatal(err)
		}
	})
}
