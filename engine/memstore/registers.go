package memstore

import (
	"bytes"
	"context"
	"time"

	"github.com/phyllodb/phyllo/engine/store"
)

// register is a value and when it runs out, never if that is zero.
type register struct {
	value []byte
	until time.Time
}

// held returns what a register holds now, nil if it is absent; s.mu is held.
func (s *state) held(r store.Register) []byte {
	have, ok := s.registers[r]
	if !ok {
		return nil
	}
	if !have.until.IsZero() && !s.now().Before(have.until) {
		delete(s.registers, r)
		return nil
	}
	return have.value
}

// Swap implements store.Registers.
func (s *Store) Swap(ctx context.Context, r store.Register, old, value []byte, ttl time.Duration) ([]byte, bool, error) {
	if err := store.CheckTTL(ttl); err != nil {
		return nil, false, err
	}
	old, value = bytes.Clone(old), bytes.Clone(value)
	var held []byte // not results: a late call sets them when nobody waits any more
	swapped := false
	err := s.call(ctx, Call{Op: OpSwap, Register: r}, func() error {
		held = s.held(r)
		if (held == nil) != (old == nil) || !bytes.Equal(held, old) {
			return nil
		}
		swapped, held = true, nil
		if value == nil {
			delete(s.registers, r)
			return nil
		}
		next := register{value: value}
		if ttl > 0 {
			next.until = s.now().Add(ttl)
		}
		s.registers[r] = next
		return nil
	})
	if err != nil {
		return nil, false, err
	}
	return bytes.Clone(held), swapped, nil
}

// Registers implements store.Registers.
func (s *Store) Registers(ctx context.Context, scope string) (map[string][]byte, error) {
	var out map[string][]byte
	err := s.call(ctx, Call{Op: OpRegisters, Register: store.Register{Scope: scope}}, func() error {
		out = map[string][]byte{}
		for r := range s.registers {
			if r.Scope != scope {
				continue
			}
			if value := s.held(r); value != nil {
				out[r.Name] = bytes.Clone(value)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
