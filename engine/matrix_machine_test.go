package engine_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// A bed is what a machine stands on: a store whose calls below it, or of it, can fail.
type bed interface {
	// open opens the store as a new process does, and says with which options.
	open(opt *engine.Options) (store.Store, error)
	// crash leaves what is left when the process or the power goes; stop ends what is in memory.
	crash(stop func())
	// begun is called when a process has begun after a crash.
	begun()
	// verify reports what is damaged.
	verify(s store.Store, report func(error)) error
}

// A way is how a call fails.
type way struct {
	name string
	on   func(op string) bool
	how  any // what the bed makes of it
	// ever: so do all calls after it that change something. power: the power fails before
	// the call.
	ever, power bool
}

// A trigger strikes the calls of one place in the code from one of them on.
type trigger struct {
	site string
	hit  int // 1 is the first
	way  way
}

// faults decides which calls fail. It is safe for concurrent use.
type faults struct {
	pending []trigger // to strike one after the other

	mu     sync.Mutex // guards the fields below
	off    bool
	hits   map[string]int
	ops    map[string]string
	struck int // triggers that have struck
	during string
	ever   *way
	over   bool // the power is gone
}

// ask returns the way in which a call fails, nil for one that does not.
func (f *faults) ask(site, op, name string, changes bool) *way {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.off {
		return nil
	}
	f.hits[site]++
	f.ops[site] = op
	if f.ever != nil && changes {
		return f.ever
	}
	if f.struck == len(f.pending) {
		return nil
	}
	next := &f.pending[f.struck]
	if next.site != site || f.hits[site] != next.hit {
		return nil
	}
	f.struck++
	f.during += fmt.Sprintf("%s of %s %s at %s (%d); ", next.way.name, op, name, site, next.hit)
	f.over = f.over || next.way.power
	if next.way.ever {
		f.ever = &next.way
	}
	return &next.way
}

// state tells how many faults have struck, and whether the power is gone, or the disk dead.
func (f *faults) state() (struck int, over, dead bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.struck, f.over, f.ever != nil
}

// restored has power again, and a disk that works but for the faults to come.
func (f *faults) restored() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.over, f.ever = false, nil
}

// end has no more faults.
func (f *faults) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.off = true
}

// A machine runs a scenario on a store that fails, and knows what must be there.
type machine struct {
	name   string
	clock  moment
	bed    bed
	faults *faults
	brief  bool // it crashes after the first step that fails
	s      store.Store
	db     *engine.DB
	open   bool
	may    worlds // what may be there
}

func (m *machine) start() error {
	opt := engine.Options{SealAge: time.Hour, BufferBytes: 1 << 20, CompactionPaused: true, SnapshotLifetime: time.Minute, Now: m.clock.now}
	s, err := m.bed.open(&opt)
	if err != nil {
		return err
	}
	db, err := engine.Open(ctx0, s, opt)
	if err != nil {
		return errors.Join(err, s.Close())
	}
	m.s, m.db, m.open = s, db, true
	return nil
}

func (m *machine) stop() error {
	if !m.open {
		return nil
	}
	m.open = false
	return errors.Join(m.db.Close(), m.s.Close())
}

// restart stops and starts; if it does not start, the scenario is over.
func (m *machine) restart() error {
	_ = m.stop() // as a fault may have it
	return m.start()
}

func (m *machine) struck() int {
	n, _, _ := m.faults.state()
	return n
}

// crash ends the process as the power does.
func (m *machine) crash() {
	m.bed.crash(func() { _ = m.stop() }) // on a store that nobody looks at again
	m.faults.restored()
}

// broken is what a machine panics with when something is not as it must be.
type broken struct{ error }

func (m *machine) fatal(what string, err error) {
	m.faults.mu.Lock()
	defer m.faults.mu.Unlock()
	panic(broken{fmt.Errorf("%s: %s%s: %w (faults that struck: %d; %v)", m.name, m.faults.during, what, err, m.faults.struck, m.bed)})
}

// play does the steps. If the power is cut meanwhile, it ends, and what was done before is
// what must be there.
func (m *machine) play(steps []step) {
	if err := m.start(); err != nil {
		if m.struck() == 0 {
			m.fatal("open", err)
		}
		return
	}
	m.may = worlds{world{}}
	for _, s := range steps {
		before := m.may
		err := s.do(m)
		n, over, dead := m.faults.state()
		if err != nil && n == 0 {
			m.fatal(s.name, err)
		}
		if s.becomes != nil {
			after := before.after(s.becomes)
			switch {
			case over:
				after = before.union(after)
			case err != nil && pgerr.Code(err) == pgerr.OutcomeUnknown:
				after = before.union(after)
			case err != nil:
				after = before
			}
			m.may = after
		}
		if over || !m.open {
			return
		}
		if err != nil && (m.brief || dead) { // on a dead disk each step fails after the same wait
			return
		}
		m.compare(s.name)
	}
}

// compare looks at all tables; when a fault has struck it may fail to.
func (m *machine) compare(after string) {
	got, err := look(m.db)
	if err != nil {
		if m.struck() == 0 {
			m.fatal("reading after "+after, err)
		}
		return
	}
	if err := m.may.check(got); err != nil {
		m.fatal("after "+after, err)
	}
}

// recovers opens what a crash left, again after another crash if a fault strikes there too,
// and checks all of it, before and after some more work.
func (m *machine) recovers() {
	for {
		before := m.struck()
		err := m.start()
		if m.struck() == before {
			if err != nil {
				m.fatal("open after a crash", err)
			}
			break
		}
		m.crash()
	}
	m.faults.end()
	m.bed.begun()
	got, err := look(m.db)
	if err != nil {
		m.fatal("reading after a crash", err)
	}
	if m.may != nil {
		if err := m.may.check(got); err != nil {
			m.fatal("after a crash", err)
		}
	}
	m.may = worlds{got}
	m.worksOn(got)
	if err := m.bed.verify(m.s, func(err error) { m.fatal("verify", err) }); err != nil {
		m.fatal("verify", err)
	}
	if err := m.stop(); err != nil {
		m.fatal("stop", err)
	}
}

// worksOn writes to all tables of a world, and merges what is there.
func (m *machine) worksOn(w world) {
	for _, name := range slices.Sorted(maps.Keys(w)) {
		if !w[name].extra {
			s := insertStep(name, row{"later", 100 * hour, 1})
			if err := s.do(m); err != nil {
				m.fatal(s.name+" after a crash", err)
			}
			m.may = m.may.after(s.becomes)
		}
		if err := vacuumStep(name, true).do(m); err != nil {
			m.fatal("VACUUM after a crash", err)
		}
	}
	if err := m.restart(); err != nil {
		m.fatal("restart after a crash", err)
	}
	got, err := look(m.db)
	if err != nil {
		m.fatal("reading later", err)
	}
	if err := m.may.check(got); err != nil {
		m.fatal("later", err)
	}
}
