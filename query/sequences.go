package query

import (
	"context"
	"sync"

	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/storage"
)

// sequences are the values that a session got of sequences: function.Sequences. Operators
// of one query may ask for them at once.
type sequences struct {
	storage.Sequences

	mu      sync.Mutex
	current map[string]int64 // by schema.Sequence.Key
	latest  *schema.Sequence // nil: no sequence yet
}

// Sequences hands out values to the session.
func (s *Session) Sequences() function.Sequences { return &s.sequences }

// NextValues takes values, which the session remembers.
func (s *sequences) NextValues(ctx context.Context, def *schema.Sequence, n int) (first int64, count int, err error) {
	if first, count, err = s.Sequences.NextValues(ctx, def, n); err != nil {
		return 0, 0, err
	}
	s.remember(def, first+int64(count-1)*def.Increment, true)
	return first, count, nil
}

// SetValue sets a sequence; if called, the session got the value, as in PostgreSQL.
func (s *sequences) SetValue(ctx context.Context, def *schema.Sequence, value int64, called bool) error {
	if err := s.Sequences.SetValue(ctx, def, value, called); err != nil || !called {
		return err
	}
	s.remember(def, value, false)
	return nil
}

func (s *sequences) remember(def *schema.Sequence, value int64, latest bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil {
		s.current = map[string]int64{}
	}
	s.current[def.Key()] = value
	if latest {
		s.latest = def
	}
}

// Current is currval.
func (s *sequences) Current(def *schema.Sequence) (int64, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.current[def.Key()]
	return v, ok
}

// Latest is lastval.
func (s *sequences) Latest() (def *schema.Sequence, value int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.latest == nil {
		return nil, 0
	}
	return s.latest, s.current[s.latest.Key()]
}

// forget is DISCARD SEQUENCES.
func (s *sequences) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current, s.latest = nil, nil
}
