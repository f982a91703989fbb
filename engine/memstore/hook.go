package memstore

import (
	"context"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/store"
)

// Op names a method of the store.
type Op string

const (
	OpAppend           Op = "Append"
	OpRead             Op = "Read"
	OpHead             Op = "Head"
	OpTrim             Op = "Trim"
	OpList             Op = "List"
	OpDrop             Op = "Drop"
	OpPutChunks        Op = "PutChunks"
	OpColumn           Op = "Column"
	OpDeleteChunks     Op = "DeleteChunks"
	OpChunks           Op = "Chunks"
	OpPutCheckpoint    Op = "PutCheckpoint"
	OpCheckpoint       Op = "Checkpoint"
	OpDeleteCheckpoint Op = "DeleteCheckpoint"
	OpSwap             Op = "Swap"
	OpRegisters        Op = "Registers"
)

// A Call is what a hook sees of a call. Log and Seq, Part or Register are set
// as far as the method has them. N counts the calls of the node from 1.
type Call struct {
	N        int
	Op       Op
	Log      store.LogID
	Seq      uint64
	Part     chunk.PartitionID
	Register store.Register
}

// Outcome is what a hook lets a call do.
type Outcome uint8

const (
	// Do does the call and answers.
	Do Outcome = iota
	// Fail answers with an error and does nothing.
	Fail
	// Lose does the call and answers with an error, whatever came of it: the
	// answer was lost on its way.
	Lose
	// Delay answers with an error now and does the call when Deliver is
	// called: the request was slow on its way. Its answer goes nowhere.
	Delay
)

// A Verdict is an Outcome with the error to answer with, ErrInjected if nil.
type Verdict struct {
	Outcome Outcome
	Err     error
}

// A Hook is asked before every call, from the goroutine that calls; it may
// block, so that a test can order the calls of several writers. It may not
// call the store.
type Hook func(Call) Verdict

// Calls returns the number of calls made so far.
func (s *Store) Calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// Deliver does the calls that were delayed, in their order, and returns how
// many there were. It is Append's compare that keeps a late one from doing harm.
func (s *Store) Deliver() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	late := s.late
	s.late = nil
	for _, do := range late {
		do()
	}
	return len(late)
}

// call counts the call, asks the hook and runs do, which needs s.mu, as the hook says.
func (s *Store) call(ctx context.Context, c Call, do func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	s.calls++
	c.N = s.calls
	s.mu.Unlock()
	v := Verdict{}
	if s.hook != nil {
		v = s.hook(c) // without the lock: it may block
	}
	if v.Outcome != Do && v.Err == nil {
		v.Err = ErrInjected
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	switch v.Outcome {
	case Fail:
		return v.Err
	case Lose:
		_ = do() // nobody hears how it went
		return v.Err
	case Delay:
		s.late = append(s.late, func() { _ = do() })
		return v.Err
	default:
		return do()
	}
}
