package cassandra

import (
	"context"
	"time"

	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// maxTTL is Cassandra's own bound.
const maxTTL = 20 * 365 * 24 * time.Hour

// Swap implements store.Registers. Time runs on the servers' clocks.
func (s *Store) Swap(ctx context.Context, r store.Register, old, value []byte, ttl time.Duration) (held []byte, swapped bool, err error) {
	if err := s.enter(ctx); err != nil {
		return nil, false, err
	}
	defer s.busy.Done()
	if err := store.CheckTTL(ttl); err != nil {
		return nil, false, err
	}
	if ttl > maxTTL {
		return nil, false, pgerr.New(pgerr.ProgramLimitExceeded, "a register's ttl of %v is too long: the most is %v", ttl, maxTTL)
	}
	if err := checkScope(r.Scope); err != nil {
		return nil, false, err
	}
	st := statement{s.text.registerSet, []any{int(ttl / time.Second), value, []byte(r.Scope), []byte(r.Name), old}}
	if value == nil {
		st = statement{s.text.registerDelete, []any{[]byte(r.Scope), []byte(r.Name), old}}
	}
	swapped, seen, err := s.swap(ctx, "register_swap", st)
	if err != nil {
		if isDoubtful(err) {
			err = outcomeUnknown(err, "register %q of scope %q", r.Name, r.Scope)
		}
		return nil, false, err
	}
	if !swapped {
		held, _ = seen["value"].([]byte)
	}
	return held, swapped, nil
}

func checkScope(scope string) error {
	if scope == "" {
		return pgerr.New(pgerr.InvalidParameterValue, "a register's scope is empty")
	}
	return checkKey(scope)
}

// Registers implements store.Registers. It reads what swaps have committed, and not at
// the serial level: that would get into the way of swaps that are under way.
func (s *Store) Registers(ctx context.Context, scope string) (map[string][]byte, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.busy.Done()
	if err := checkScope(scope); err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	r := read{op: "register_list", text: s.text.registerList, args: []any{[]byte(scope)}, level: s.levels.registers(), rows: namePageRows}
	err := s.rows(ctx, r, func(scan func(...any) error) (bool, error) {
		var name []byte
		var value any // so that an empty one and none are told apart
		if err := scan(&name, &value); err != nil {
			return false, err
		}
		if b, ok := value.([]byte); ok {
			out[string(name)] = b
		}
		return true, nil
	})
	return out, err
}
