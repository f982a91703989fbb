package backuprepo

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// Locks keep Prune from removing what a backup that is being made relies on. Object stores
// have none, so a lock is an object: who wants one writes it, then looks for others that
// are in its way, and takes its own away if there are any. It is written again every minute;
// one that is older than ten is left over from somebody who died. Ages are told by the clock of
// where the objects are, from the newly written lock; who could not write its own for
// five minutes, by its own clock, gives up what it does. So no clocks have to agree.

const (
	lockFolder  = "locks/"
	lockRefresh = time.Minute
	// After so many times lockRefresh a lock is left over, and given up.
	lockStale, lockLost = 10, 5
)

// A Lock is held until Release.
type Lock struct {
	repository *Repository
	name       string
	cancel     context.CancelFunc
	ended      chan struct{}

	mu      sync.Mutex // guards the field below
	renewed time.Time
}

// ErrInUse is what Lock fails with if others are in the way.
var ErrInUse = errors.New("the repository is in use by another command")

// Lock takes a lock: shared with others, or alone. It does not wait. The lock is given up
// when Release is called.
func (r *Repository) Lock(ctx context.Context, alone bool) (*Lock, error) {
	var b [8]byte
	rand.Read(b[:]) // never fails
	kind := "shared-"
	if alone {
		kind = "alone-"
	}
	l := &Lock{repository: r, name: lockFolder + kind + hex.EncodeToString(b[:]), ended: make(chan struct{})}
	if err := l.write(ctx); err != nil {
		return nil, err
	}
	err := l.look(ctx, alone)
	if err != nil {
		_ = r.objects.remove(context.WithoutCancel(ctx), l.name) // else it is left over
		return nil, err
	}
	keep, cancel := context.WithCancel(context.WithoutCancel(ctx))
	l.cancel = cancel
	go l.keep(keep)
	return l, nil
}

// write writes the lock, or writes it again.
func (l *Lock) write(ctx context.Context) error {
	begin := time.Now()
	host, _ := os.Hostname() // it is for people
	text := fmt.Sprintf("%s, process %d", host, os.Getpid())
	if err := l.repository.objects.put(ctx, l.name, bytes.NewReader([]byte(text))); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.renewed = begin
	return nil
}

// look fails if others are in the way, and removes what is left over.
func (l *Lock) look(ctx context.Context, alone bool) error {
	var now time.Time
	var others []Object
	for o, err := range l.repository.objects.list(ctx, lockFolder) {
		if err != nil {
			return err
		}
		if o.Name == l.name {
			now = o.Modified
		} else if alone || strings.HasPrefix(o.Name, lockFolder+"alone-") {
			others = append(others, o)
		}
	}
	if now.IsZero() {
		return fmt.Errorf("%s does not list a lock that was just written", l.repository)
	}
	for _, o := range others {
		age := now.Sub(o.Modified)
		if age > lockStale*l.repository.refresh {
			if err := l.repository.objects.remove(ctx, o.Name); err != nil {
				return err
			}
			continue
		}
		who, err := l.repository.read(ctx, o.Name, 1<<16)
		if err != nil {
			who = []byte("unknown")
		}
		return fmt.Errorf("%s: %w (%s; seen %v ago). If that was killed, its lock runs out after %v",
			l.repository, ErrInUse, who, age.Round(time.Second), lockStale*l.repository.refresh)
	}
	return nil
}

// keep writes the lock again from time to time.
func (l *Lock) keep(ctx context.Context) {
	defer close(l.ended)
	tick := time.NewTicker(l.repository.refresh)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			_ = l.write(ctx) // Held says if that fails for long
		}
	}
}

// Held fails if others may believe that the lock is left over.
func (l *Lock) Held() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if age := time.Since(l.renewed); age > lockLost*l.repository.refresh {
		return fmt.Errorf("%s could not be reached, or this process was stopped, for %v: the lock may be lost", l.repository, age.Round(time.Second))
	}
	return nil
}

// Release gives the lock back.
func (l *Lock) Release(ctx context.Context) error {
	l.cancel()
	<-l.ended
	return l.repository.objects.remove(ctx, l.name)
}
