package function

import (
	"context"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/locking"
)

// Locks are the advisory locks of a session and of its transaction.
type Locks interface {
	// LockAdvisory locks, and says whether it has; it waits if it may.
	LockAdvisory(ctx context.Context, how AdvisoryLock) (bool, error)
	// UnlockAdvisory takes one lock of the session back; false: it has none.
	UnlockAdvisory(how AdvisoryLock) bool
	// UnlockAll takes all locks of the session back.
	UnlockAll()
	// Blocking returns the sessions that one waits for.
	Blocking(pid int32) []int32
}

// An AdvisoryLock is what is locked, and how.
type AdvisoryLock struct {
	locking.Advisory
	Shared      bool
	Transaction bool // until its end
	Wait        bool
}

// Channels are what LISTEN and NOTIFY are about.
type Channels interface {
	Notify(channel, payload string) error
	// Listening returns the channels that the session listens to.
	Listening() []string
	// QueueUsage is how much of the queue of notifications is used, from 0 to 1.
	QueueUsage() float64
}

// lockKernels are the functions of advisory locks and of notifications.
func lockKernels(k kernels) {
	for _, shared := range []bool{false, true} {
		for _, pair := range []bool{false, true} {
			name := map[bool]string{true: "_shared"}[shared] + map[bool]string{false: "_int8", true: "_int4"}[pair]
			k.add(lockAdvisory(AdvisoryLock{Shared: shared, Wait: true}, pair), "pg_advisory_lock"+name)
			k.add(lockAdvisory(AdvisoryLock{Shared: shared, Wait: true, Transaction: true}, pair), "pg_advisory_xact_lock"+name)
			k.add(tryAdvisory(AdvisoryLock{Shared: shared}, pair), "pg_try_advisory_lock"+name)
			k.add(tryAdvisory(AdvisoryLock{Shared: shared, Transaction: true}, pair), "pg_try_advisory_xact_lock"+name)
			k.add(overAdvisory(AdvisoryLock{Shared: shared}, pair, func(c *Context, how AdvisoryLock) (bool, error) {
				return c.Session.Locks().UnlockAdvisory(how), nil
			}), "pg_advisory_unlock"+name)
		}
	}
	k.add(voidFunc(func(c *Context, _ []Vec) (func(int) error, error) {
		s, err := session(c)
		if err != nil {
			return nil, err
		}
		return func(int) error { s.Locks().UnlockAll(); return nil }, nil
	}), "pg_advisory_unlock_all")
	k.add(fn1c(func(c *Context, pid int32) (datum.Array, error) {
		out := datum.Array{Elem: datum.Of(datum.Int4)}
		s, err := session(c)
		if err != nil {
			return out, err
		}
		for _, p := range s.Locks().Blocking(pid) {
			out.Values = append(out.Values, p)
		}
		return out, nil
	}), "pg_blocking_pids")
	k.add(boxed(func(c *Context, args []datum.Value) (datum.Value, error) {
		s, err := session(c)
		if err != nil {
			return nil, err
		}
		channel, _ := args[0].(string)
		payload, _ := args[1].(string)
		return nil, s.Channels().Notify(channel, payload)
	}, datum.Text, datum.Text), "pg_notify")
	k.add(ofSession(func(s Session) (float64, error) { return s.Channels().QueueUsage(), nil }), "pg_notification_queue_usage")
	k.addSet(func(c *Context, _ []datum.Value, _ []datum.Type, _ datum.Type) (SetResult, error) {
		s, err := session(c)
		if err != nil {
			return nil, err
		}
		rows := &valueRows{}
		for _, name := range s.Channels().Listening() {
			rows.vals = append(rows.vals, name)
		}
		return rows, nil
	}, "pg_listening_channels")
}

// advisoryKey reads the key, or the two keys, of a row.
func advisoryKey(args []Vec, pair bool) func(row int) locking.Advisory {
	if !pair {
		key := reader[int64](args[0])
		return func(row int) locking.Advisory { return locking.Advisory{Key: key(row)} }
	}
	a, b := reader[int32](args[0]), reader[int32](args[1])
	return func(row int) locking.Advisory {
		return locking.Advisory{Key: int64(a(row))<<32 | int64(uint32(b(row))), Pair: true}
	}
}

// lockAdvisory makes a function that waits for a lock.
func lockAdvisory(how AdvisoryLock, pair bool) evalFunc {
	return voidFunc(func(c *Context, args []Vec) (func(int) error, error) {
		s, err := session(c)
		if err != nil {
			return nil, err
		}
		key := advisoryKey(args, pair)
		return func(row int) error {
			how := how
			how.Advisory = key(row)
			_, err := s.Locks().LockAdvisory(c, how)
			return err
		}, nil
	})
}

// tryAdvisory makes a function that says whether it has a lock.
func tryAdvisory(how AdvisoryLock, pair bool) evalFunc {
	return overAdvisory(how, pair, func(c *Context, how AdvisoryLock) (bool, error) { return c.Session.Locks().LockAdvisory(c, how) })
}

func overAdvisory(how AdvisoryLock, pair bool, f func(*Context, AdvisoryLock) (bool, error)) evalFunc {
	if !pair {
		return fn1c(func(c *Context, key int64) (bool, error) {
			if _, err := session(c); err != nil {
				return false, err
			}
			how := how
			how.Advisory = locking.Advisory{Key: key}
			return f(c, how)
		})
	}
	return fn2c(func(c *Context, a, b int32) (bool, error) {
		if _, err := session(c); err != nil {
			return false, err
		}
		how := how
		how.Advisory = locking.Advisory{Key: int64(a)<<32 | int64(uint32(b)), Pair: true}
		return f(c, how)
	})
}
