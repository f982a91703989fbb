package commitlog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/engine/memstore"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// script answers the appends and reads of one store in turn; what it does not
// say is done.
type script struct {
	appends []memstore.Verdict
	reads   []memstore.Verdict
	seqs    []uint64 // of all appends
}

func (s *script) hook(c memstore.Call) (v memstore.Verdict) {
	if c.Op == memstore.OpAppend && c.Log == LogID(part) {
		s.seqs = append(s.seqs, c.Seq)
		if len(s.appends) > 0 {
			v, s.appends = s.appends[0], s.appends[1:]
		}
	}
	if c.Op == memstore.OpRead && len(s.reads) > 0 {
		v, s.reads = s.reads[0], s.reads[1:]
	}
	return v
}

var (
	fails = memstore.Verdict{Outcome: memstore.Fail}
	loses = memstore.Verdict{Outcome: memstore.Lose}
	delay = memstore.Verdict{Outcome: memstore.Delay}
	done  = memstore.Verdict{}
)

// TestUnknownOutcomes: the same commit is tried at the same number until it is
// filled, and is in the log once.
func TestUnknownOutcomes(t *testing.T) {
	for name, test := range map[string]struct {
		appends, reads []memstore.Verdict
		seqs           []uint64
	}{
		"failed":                      {appends: []memstore.Verdict{fails, fails, done}, seqs: []uint64{2, 2, 2}},
		"answer lost":                 {appends: []memstore.Verdict{loses}, seqs: []uint64{2, 2}},
		"late":                        {appends: []memstore.Verdict{delay}, seqs: []uint64{2, 2}},
		"late, lost, reading fails":   {appends: []memstore.Verdict{delay, loses}, reads: []memstore.Verdict{fails, fails}, seqs: []uint64{2, 2, 2, 2, 2}},
		"lost, failed, reading fails": {appends: []memstore.Verdict{loses, fails}, reads: []memstore.Verdict{fails}, seqs: []uint64{2, 2, 2, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			s := &script{}
			st := memstore.New(s.hook)
			l := open(t, st, Options{})
			mustCommit(t, l, flush(alice, Interval{alice, 0, 1}))
			s.appends, s.reads, s.seqs = test.appends, test.reads, nil
			c := flush(alice, Interval{alice, 1, 2}, entry(21, 1))
			m := mustCommit(t, l, c)
			if m.Seq() != 2 || m.Folded(alice) != 2 || m.Len() != 1 || fmt.Sprint(s.seqs) != fmt.Sprint(test.seqs) {
				t.Fatalf("appends at %v, want %v; %v", s.seqs, test.seqs, m)
			}
			st.Deliver()
			got, err := l.Refresh(ctx)
			if err != nil || got.Seq() != 2 {
				t.Fatalf("%v, %v", got, err)
			}
			sameState(t, open(t, st, Options{}).Manifest(), got)
		})
	}
}

// TestSameBytes: a repetition at the same number is of the same bytes.
func TestSameBytes(t *testing.T) {
	st := &recording{Store: memstore.New(nil), fail: 3}
	l := open(t, st, Options{})
	mustCommit(t, l, flush(alice, Interval{alice, 0, 1}, entry(21, 0)))
	if len(st.data) != 4 {
		t.Fatalf("%d appends, want 4", len(st.data))
	}
	for _, d := range st.data {
		if d != st.data[0] {
			t.Error("a repetition differs")
		}
	}
}

// recording keeps what is appended; the first calls fail.
type recording struct {
	store.Store
	data []string
	fail int
}

func (r *recording) Append(ctx context.Context, log store.LogID, seq uint64, data []byte) error {
	r.data = append(r.data, string(data))
	if len(r.data) <= r.fail {
		return errors.New("unavailable")
	}
	return r.Store.Append(ctx, log, seq, data)
}

// TestGivesUp: a commit that may arrive later is unknown; committed again it
// is decided, whatever came of the first time.
func TestGivesUp(t *testing.T) {
	for name, late := range map[string]bool{"arrives later": true, "never arrives": false} {
		t.Run(name, func(t *testing.T) {
			s := &script{}
			st := memstore.New(s.hook)
			l := open(t, st, Options{Retries: 2})
			s.appends = []memstore.Verdict{delay, fails, fails}
			c := flush(alice, Interval{alice, 0, 1}, entry(21, 0))
			_, err := l.Commit(ctx, c)
			if !errors.Is(err, ErrUnknown) || errors.Is(err, ErrPrecondition) || !errors.Is(err, memstore.ErrInjected) || pgerr.Code(err) != pgerr.OutcomeUnknown {
				t.Fatalf("got %v", err)
			}
			if late {
				st.Deliver()
			}
			// Another commit takes its turn meanwhile.
			mustCommit(t, l, flush(bob, Interval{bob, 0, 1}))
			mustCommit(t, l, c)
			st.Deliver()
			if m, err := l.Refresh(ctx); err != nil || m.Seq() != 2 || m.Folded(alice) != 1 || m.Folded(bob) != 1 {
				t.Fatalf("%v, %v", m, err)
			}
		})
	}
}

// TestRefused: the place of a commit in doubt was taken, and it does not hold
// any more: that is certain.
func TestRefused(t *testing.T) {
	s := &script{}
	st := memstore.New(s.hook)
	l, other := open(t, st, Options{}), open(t, st, Options{})
	s.appends = []memstore.Verdict{delay}
	var fill func()
	l.opt.Wait = func(context.Context, time.Duration) error { fill(); return nil }
	fill = func() {
		fill = func() {}
		mustCommit(t, other, flush(alice, Interval{alice, 0, 5}))
	}
	c := flush(alice, Interval{alice, 0, 1})
	if _, err := l.Commit(ctx, c); !errors.Is(err, ErrPrecondition) {
		t.Fatalf("got %v", err)
	}
	st.Deliver()
	if m, err := l.Refresh(ctx); err != nil || m.Seq() != 1 || m.Folded(alice) != 5 {
		t.Fatalf("%v, %v", m, err)
	}
	if len(l.doubts) != 0 {
		t.Errorf("%d doubts are left", len(l.doubts))
	}
}

// TestForgotten: a commit in doubt whose entry is too far back is known by what
// it added, and to be void by the positions that are not folded in; if they are and it
// added nothing it stays unknown. It is never done twice.
func TestForgotten(t *testing.T) {
	for name, landed := range map[string]bool{"landed": true, "void": false} {
		for _, adds := range []int{0, 1} {
			t.Run(fmt.Sprintf("%s/adds=%d", name, adds), func(t *testing.T) {
				s := &script{}
				st := memstore.New(s.hook)
				l := open(t, st, Options{Retries: -1})
				other := open(t, st, Options{CheckpointEvery: 50})
				c := flush(alice, Interval{alice, 0, 1})
				for i := range adds {
					c.Adds = append(c.Adds, entry(21+i, 0))
				}
				s.appends = []memstore.Verdict{delay}
				if _, err := l.Commit(ctx, c); !errors.Is(err, ErrUnknown) {
					t.Fatal(err)
				}
				if landed {
					st.Deliver()
				}
				for i := range uint64(recentLimit + 10) {
					mustCommit(t, other, flush(bob, Interval{bob, i, i + 1}))
				}
				m, err := l.Commit(ctx, c)
				if !landed || adds > 0 {
					if err != nil || m.Folded(alice) != 1 || m.Len() != adds {
						t.Fatalf("%v, %v", m, err)
					}
					return
				}
				if !errors.Is(err, ErrUnknown) {
					t.Fatalf("got %v", err)
				}
				if m, err := l.Refresh(ctx); err != nil || (m.Folded(alice) == 1) != landed {
					t.Fatalf("%v, %v", m, err)
				}
			})
		}
	}
}

// TestFollowed: a log that reads on sees what became of a commit in doubt, and
// remembers it however much comes after.
func TestFollowed(t *testing.T) {
	for name, landed := range map[string]bool{"landed": true, "void": false} {
		t.Run(name, func(t *testing.T) {
			s := &script{}
			st := memstore.New(s.hook)
			l := open(t, st, Options{Retries: -1, CheckpointEvery: -1})
			other := open(t, st, Options{CheckpointEvery: -1})
			c := flush(alice, Interval{alice, 0, 1})
			s.appends = []memstore.Verdict{delay}
			if _, err := l.Commit(ctx, c); !errors.Is(err, ErrUnknown) {
				t.Fatal(err)
			}
			if landed {
				st.Deliver()
			}
			for i := range uint64(recentLimit + 10) {
				mustCommit(t, other, flush(bob, Interval{bob, i, i + 1}))
			}
			if _, err := l.Refresh(ctx); err != nil { // entry by entry
				t.Fatal(err)
			}
			head := l.Manifest().Seq()
			m, err := l.Commit(ctx, c)
			if err != nil || m.Folded(alice) != 1 {
				t.Fatalf("%v, %v", m, err)
			}
			if done := m.Seq() == head; done != landed {
				t.Errorf("appended again: %v, although it landed: %v", !done, landed)
			}
		})
	}
}

// TestCommitEnds: what cannot succeed ends at once, with the right answer.
func TestCommitEnds(t *testing.T) {
	s := &script{}
	st := memstore.New(s.hook)
	l := open(t, st, Options{})
	waits := 0
	l.opt.Wait = func(ctx context.Context, _ time.Duration) error { waits++; return ctx.Err() }

	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := l.Commit(ended, flush(alice, Interval{alice, 0, 1})); !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnknown) {
		t.Errorf("ctx had ended before: %v", err)
	}

	during, cancel := context.WithCancel(ctx)
	s.appends = []memstore.Verdict{fails, fails, fails}
	l.opt.Wait = func(ctx context.Context, _ time.Duration) error { cancel(); return ctx.Err() }
	if _, err := l.Commit(during, flush(alice, Interval{alice, 0, 1})); !errors.Is(err, context.Canceled) || !errors.Is(err, ErrUnknown) || !errors.Is(err, memstore.ErrInjected) {
		t.Errorf("ctx ended meanwhile: %v", err)
	}

	l.opt.Wait = func(ctx context.Context, _ time.Duration) error { waits++; return ctx.Err() }
	for _, cause := range []error{pgerr.New(pgerr.ProgramLimitExceeded, "too long"), pgerr.New(pgerr.ReadOnlyTransaction, "read only"), fmt.Errorf("closed: %w", fs.ErrClosed)} {
		s.appends = []memstore.Verdict{{Outcome: memstore.Fail, Err: cause}}
		if _, err := l.Commit(ctx, flush(alice, Interval{alice, 0, 1})); !errors.Is(err, cause) || waits > 0 {
			t.Errorf("%v: %v, after %d waits", cause, err, waits)
		}
	}

	// Nothing was appended when reading failed: that is certain.
	other := open(t, st, Options{})
	mustCommit(t, other, flush(bob, Interval{bob, 0, 1}))
	for range 20 {
		s.reads = append(s.reads, fails)
	}
	if _, err := l.Commit(ctx, flush(alice, Interval{alice, 0, 1})); !errors.Is(err, memstore.ErrInjected) || errors.Is(err, ErrUnknown) || waits != defaultRetries {
		t.Errorf("conflict, and the log cannot be read: %v after %d waits", err, waits)
	}
}

// TestDoubtsAreBounded: commits that nobody comes back for are forgotten, the
// oldest first.
func TestDoubtsAreBounded(t *testing.T) {
	l := open(t, memstore.New(nil), Options{})
	for i := range 2 * maxDoubts {
		l.doubt(CommitID{byte(i), byte(i >> 8)}, uint64(i+1))
	}
	if len(l.doubts) != maxDoubts {
		t.Fatalf("%d doubts", len(l.doubts))
	}
	for _, d := range l.doubts {
		if d.seq <= maxDoubts {
			t.Errorf("doubt about %d is left", d.seq)
		}
	}
	m := &Manifest{}
	if known, err := l.known(ctx, m, &Commit{}); err != nil || known || l.lost(m, &Commit{}) {
		t.Error("knows a commit that it has not seen")
	}
}
