package cassandratest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/phyllodb/phyllo/engine/cassandra"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/engine/storetest"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/prometheus/client_golang/prometheus"
)

func fill(t *testing.T, s *cassandra.Store, log store.LogID, from, to int) {
	t.Helper()
	for i := from; i <= to; i++ {
		if err := s.Append(t.Context(), log, uint64(i), fmt.Append(nil, "entry ", i)); err != nil {
			t.Fatal(err)
		}
	}
}

func wantLog(t *testing.T, s *cassandra.Store, log store.LogID, from, to int) {
	t.Helper()
	got, err := storetest.Collect(t.Context(), s, log, uint64(from))
	if err != nil || len(got) != to-from+1 {
		t.Fatalf("read from %d: %d entries, %v; want %d", from, len(got), err, to-from+1)
	}
	for i, data := range got {
		if want := fmt.Sprint("entry ", from+i); data != want {
			t.Fatalf("entry %d is %q", from+i, data)
		}
	}
}

// TestManyBuckets has a log go through many buckets, and stores that know
// nothing of it find their way from any place.
func TestManyBuckets(t *testing.T) {
	opts := emptyKeyspace(t)
	opts.Limits.LogEntries = 3
	s := open(t, opts)
	defer s.Close()
	const entries = 250
	fill(t, s, commits, 1, entries)
	srv := onServer(t)
	for _, hints := range []bool{true, false} {
		if !hints {
			srv.exec(t, `TRUNCATE KS.log_hints`)
		}
		for _, from := range []int{1, 2, 3, 4, 100, 249, 250, 251} {
			cold := open(t, opts)
			wantLog(t, cold, commits, from, entries)
			wantLog(t, cold, commits, max(1, from-7), entries)
			cold.Close()
		}
		cold := open(t, opts)
		if head, err := cold.Head(t.Context(), commits); err != nil || head != entries {
			t.Fatalf("head: %d, %v", head, err)
		}
		if first, err := cold.First(t.Context(), commits); err != nil || first != 1 {
			t.Fatalf("first: %d, %v", first, err)
		}
		cold.Close()
	}
	for _, to := range []int{2, 3, 4, 120, 121, 122, 250, 251} {
		if err := s.Trim(t.Context(), commits, uint64(to)); err != nil {
			t.Fatal(err)
		}
		cold := open(t, opts)
		for _, st := range []*cassandra.Store{s, cold} {
			if first, err := st.First(t.Context(), commits); err != nil || first != uint64(to) {
				t.Fatalf("first after a trim to %d: %d, %v", to, first, err)
			}
			wantLog(t, st, commits, to, entries)
			if _, err := storetest.Collect(t.Context(), st, commits, uint64(to-1)); !errors.Is(err, store.ErrTrimmed) {
				t.Fatalf("read below %d: %v", to, err)
			}
		}
		cold.Close()
	}
	// One row ends each of the 83 closed buckets; the open one keeps its entry.
	if n := srv.int(t, `SELECT count(*) FROM KS.logs`); n != 83+1 {
		t.Errorf("%d rows are left, want %d", n, 83+1)
	}
	late := open(t, opts)
	defer late.Close()
	fill(t, late, commits, entries+1, entries+20)
	wantLog(t, s, commits, entries+1, entries+20)
}

// TestPollIsOneRequest counts what tailing costs.
func TestPollIsOneRequest(t *testing.T) {
	opts := emptyKeyspace(t)
	opts.Limits.LogEntries = 5
	s := open(t, opts)
	defer s.Close()
	reg := prometheus.NewRegistry()
	opts.Registerer = reg
	tail := open(t, opts)
	defer tail.Close()
	fill(t, s, commits, 1, 3)
	wantLog(t, tail, commits, 1, 3)
	poll := func(from, to int, most float64) {
		t.Helper()
		before := requests(t, reg)
		wantLog(t, tail, commits, from, to)
		if n := requests(t, reg) - before; n > most {
			t.Errorf("a poll from %d to %d took %v requests, want %v", from, to, n, most)
		}
	}
	poll(4, 3, 1)
	fill(t, s, commits, 4, 4)
	poll(5, 4, 1) // the entry was not asked for
	fill(t, s, commits, 5, 7)
	poll(5, 7, 2) // it ends one bucket, the others are in the next
	poll(8, 7, 1)
	fill(t, s, commits, 8, 10)
	poll(8, 10, 2) // and looks into the next one
	poll(11, 10, 1)
	// Who follows a log appends to it without looking.
	before := requests(t, reg)
	if err := tail.Append(t.Context(), commits, 11, []byte("entry 11")); err != nil {
		t.Fatal(err)
	}
	if n := requests(t, reg) - before; n != 1 {
		t.Errorf("an append took %v requests, want 1", n)
	}
}

// requests returns how many requests a store has made.
func requests(t *testing.T, reg *prometheus.Registry) (n float64) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "phyllo_cassandra_requests_total" {
			for _, m := range f.GetMetric() {
				n += m.GetCounter().GetValue()
			}
		}
	}
	return n
}

// TestZombies has a store that slept through trims and a drop wake up.
func TestZombies(t *testing.T) {
	opts := emptyKeyspace(t)
	opts.Limits.LogEntries = 3
	s := open(t, opts)
	defer s.Close()
	var asleep []*cassandra.Store
	for n := 1; n <= 8; n++ { // they know the log up to entry n: mid-bucket, and at the end of one
		fill(t, s, commits, n, n)
		z := open(t, opts)
		defer z.Close()
		wantLog(t, z, commits, 1, n)
		asleep = append(asleep, z)
	}
	fill(t, s, commits, 9, 9)
	if err := s.Trim(t.Context(), commits, 10); err != nil {
		t.Fatal(err)
	}
	stale := func(n int, z *cassandra.Store) {
		t.Helper()
		if err := z.Append(t.Context(), commits, uint64(n+1), []byte("from the past")); !errors.Is(err, store.ErrConflict) {
			t.Fatalf("append of %d: %v, want ErrConflict", n+1, err)
		}
	}
	for i := 0; i < len(asleep); i += 2 {
		stale(i+1, asleep[i])
		if _, err := storetest.Collect(t.Context(), asleep[i], commits, uint64(i+2)); !errors.Is(err, store.ErrTrimmed) {
			t.Fatalf("read from %d: %v, want ErrTrimmed", i+2, err)
		}
	}
	if err := s.Drop(t.Context(), commits); err != nil {
		t.Fatal(err)
	}
	for i := 1; i < len(asleep); i += 2 {
		stale(i+1, asleep[i])
	}
	for i, z := range asleep {
		stale(i+1, z)
		if head, err := z.Head(t.Context(), commits); err != nil || head != 0 {
			t.Fatalf("head of a dropped log: %d, %v", head, err)
		}
		wantLog(t, z, commits, i+2, i+1) // nothing
	}
	fill(t, asleep[0], commits, 1, 5)
	for i, z := range asleep {
		wantLog(t, z, commits, 1, 5)
		if i != 4 {
			stale(i+1, z)
		}
	}
}

// TestReadsWhatWasDropped has a reader whose place in a log is below what was
// there when it was dropped: there is nothing, not something trimmed.
func TestReadsWhatWasDropped(t *testing.T) {
	opts := emptyKeyspace(t)
	opts.Limits.LogEntries = 3
	s := open(t, opts)
	defer s.Close()
	reader := open(t, opts)
	defer reader.Close()
	fill(t, s, commits, 1, 8)
	wantLog(t, reader, commits, 1, 8)
	if err := s.Drop(t.Context(), commits); err != nil {
		t.Fatal(err)
	}
	wantLog(t, reader, commits, 2, 1)
	fill(t, s, commits, 1, 4)
	wantLog(t, reader, commits, 2, 4)
}

// TestLargeEntries appends the largest entry there may be, and frees it.
func TestLargeEntries(t *testing.T) {
	opts := emptyKeyspace(t)
	s := open(t, opts)
	defer s.Close()
	large := noise(1, 64<<20)
	for i, data := range []string{"small", large, "small", noise(2, 200<<10)} {
		if err := s.Append(t.Context(), commits, uint64(i+1), []byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	err := s.Append(t.Context(), commits, 5, make([]byte, 65<<20))
	if pgerr.Code(err) != pgerr.ProgramLimitExceeded {
		t.Fatalf("an entry that is too large: %v (%s)", err, pgerr.Code(err))
	}
	cold := open(t, opts)
	defer cold.Close()
	got, err := storetest.Collect(t.Context(), cold, commits, 1)
	if err != nil || len(got) != 4 || got[1] != large || got[3] != noise(2, 200<<10) {
		t.Fatalf("%d entries, %v", len(got), err)
	}
	srv := onServer(t)
	if n := srv.int(t, `SELECT count(*) FROM KS.parts`); n != 128+1 {
		t.Errorf("%d parts, want %d", n, 128+1)
	}
	if err := s.Trim(t.Context(), commits, 3); err != nil {
		t.Fatal(err)
	}
	if n := srv.int(t, `SELECT count(*) FROM KS.parts`); n != 1 {
		t.Errorf("%d parts after the trim, want 1", n)
	}
}

// TestLoserLeavesNoParts appends large entries at a place that is taken.
func TestLoserLeavesNoParts(t *testing.T) {
	opts := emptyKeyspace(t)
	opts.Limits.InlineBytes = 10
	s, other := open(t, opts), open(t, opts)
	defer s.Close()
	defer other.Close()
	fill(t, s, commits, 1, 1)
	wantLog(t, other, commits, 1, 1)
	if err := s.Append(t.Context(), commits, 2, []byte(strings.Repeat("a", 100))); err != nil {
		t.Fatal(err)
	}
	if err := other.Append(t.Context(), commits, 2, []byte(strings.Repeat("a", 100))); !errors.Is(err, store.ErrConflict) {
		t.Fatalf("append of the same bytes by another: %v, want ErrConflict", err)
	}
	if n := onServer(t).int(t, `SELECT count(*) FROM KS.parts`); n != 1 {
		t.Errorf("%d parts, want that of entry 2", n)
	}
}

// TestDamagedLog damages entries in Cassandra.
func TestDamagedLog(t *testing.T) {
	for name, text := range map[string]string{
		"overwritten": `UPDATE KS.logs SET data = 0x00 WHERE log = ? AND bucket = 0 AND seq = 2`,
		"missing":     `DELETE FROM KS.logs WHERE log = ? AND bucket = 0 AND seq = 2`,
		"no size":     `UPDATE KS.logs SET size = null WHERE log = ? AND bucket = 0 AND seq = 2`,
		"last":        `DELETE FROM KS.logs WHERE log = ? AND bucket = 0 AND seq = 3`,
	} {
		t.Run(name, func(t *testing.T) {
			opts := emptyKeyspace(t)
			s := open(t, opts)
			defer s.Close()
			fill(t, s, commits, 1, 3)
			srv := onServer(t)
			var log [16]byte
			if err := srv.session.Query(`SELECT log FROM ` + srv.keyspace + `.logs LIMIT 1`).Scan(&log); err != nil {
				t.Fatal(err)
			}
			srv.exec(t, text, log)
			got, err := storetest.Collect(t.Context(), s, commits, 1)
			if pgerr.Code(err) != pgerr.DataCorrupted {
				t.Fatalf("read: %q, %v", got, err)
			}
		})
	}
}
