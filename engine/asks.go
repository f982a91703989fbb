package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// A statement that wants what was committed up to its beginning on any node asks
// the nodes that commit to journals to forward what they have. Each of them has a
// register in which others count questions and it the last one that it answered;
// so nodes need no address of each other here either.
type asks struct {
	c     *cluster
	token chan struct{} // of one token: questions are being asked; guards since
	since time.Time     // when the last round of questions began that all answered
}

// askState is a node's register. Both numbers only rise, so that no change of it
// can be done late.
type askState struct{ Asked, Answered uint64 }

// askWait bounds how long a node may take to answer. It is above what a commit whose
// outcome is unknown may hold it up.
const askWait = 20 * time.Second

func newAsks(c *cluster) *asks { return &asks{c: c, token: make(chan struct{}, 1)} }

func (a *asks) scope() string { return "asks/" + a.c.db.opt.Database }

// all returns when what the other nodes had committed at the call is in their source
// logs. It fails if that is not to be had. Calls that come together ask once.
func (a *asks) all(ctx context.Context) error {
	called := time.Now()
	select {
	case a.token <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-a.token }()
	if a.since.After(called) {
		return nil
	}
	begin := time.Now()
	if err := a.round(ctx); err != nil {
		return err
	}
	a.since = begin
	return nil
}

func (a *asks) round(ctx context.Context) error {
	m := a.c.members
	if err := m.look(ctx); err != nil {
		return err
	}
	if err := a.c.journals.lost(); err != nil {
		return err
	}
	wait := map[string]uint64{} // for which answer, by node
	for node, o := range m.alive() {
		if o.Journal {
			n, err := a.ask(ctx, node)
			if err != nil {
				return err
			}
			wait[node] = n
		}
	}
	for late := time.Now().Add(askWait); len(wait) > 0; {
		states, err := a.states(ctx)
		if err != nil {
			return err
		}
		for node, n := range wait {
			if o, alive := m.alive()[node]; states[node].Answered >= n || !alive || !o.Journal {
				delete(wait, node)
			}
		}
		if err := a.c.journals.lost(); err != nil || len(wait) == 0 {
			return err
		}
		if time.Now().After(late) {
			return errUnanswered(wait)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(claimPoll):
		}
	}
	return a.c.journals.lost() // of a look that may be newer than the one above
}

func errUnanswered(wait map[string]uint64) error {
	var nodes []string
	for node := range wait {
		nodes = append(nodes, node)
	}
	slices.Sort(nodes)
	return pgerr.New(pgerr.CannotConnectNow, "node %s does not tell what it has committed last", nodes[0]).
		WithDetail("Waited %v for it.", askWait).
		WithHint("Try again in a moment, or read without phyllo.freshness = 'latest'.")
}

func (a *asks) states(ctx context.Context) (map[string]askState, error) {
	registers, err := a.c.shared.Registers(ctx, a.scope())
	if err != nil {
		return nil, err
	}
	out := map[string]askState{}
	for node, value := range registers {
		var s askState
		if err := json.Unmarshal(value, &s); err != nil {
			return nil, fmt.Errorf("questions to node %q: %w", node, err)
		}
		out[node] = s
	}
	return out, nil
}

// ask adds a question, and returns its number.
func (a *asks) ask(ctx context.Context, node string) (number uint64, err error) {
	err = a.change(ctx, node, func(s askState) askState {
		number = s.Asked + 1
		return askState{Asked: number, Answered: s.Answered}
	})
	return number, err
}

// change sets a node's register to what f makes of it; f may be called several times.
func (a *asks) change(ctx context.Context, node string, f func(askState) askState) error {
	r := store.Register{Scope: a.scope(), Name: node}
	for range maxTries {
		registers, err := a.c.shared.Registers(ctx, r.Scope)
		if err != nil {
			return err
		}
		var s askState
		old := registers[node]
		if old != nil {
			if err := json.Unmarshal(old, &s); err != nil {
				return fmt.Errorf("questions to node %q: %w", node, err)
			}
		}
		value, err := json.Marshal(f(s))
		if err != nil {
			return err
		}
		if bytes.Equal(value, old) {
			return nil
		}
		_, swapped, err := a.c.shared.Swap(ctx, r, old, value, 0)
		if swapped || err != nil && pgerr.Code(err) != pgerr.OutcomeUnknown {
			return err
		}
	}
	return fmt.Errorf("the register of questions to node %q changes too often", node)
}

// answer forwards what this node has committed when others ask for it, until ctx
// ends.
func (a *asks) answer(ctx context.Context) {
	node := a.c.db.opt.Writer
	every(ctx, a.c.opt.Poll, nil, func() {
		if len(a.c.members.alive()) == 0 {
			return // who starts is seen soon
		}
		states, err := a.states(ctx)
		if err != nil {
			return // who asks will notice
		}
		asked := states[node].Asked
		if asked == states[node].Answered {
			return
		}
		err = a.c.db.forwardNow()
		if err == nil {
			err = a.change(ctx, node, func(s askState) askState {
				return askState{Asked: s.Asked, Answered: max(s.Answered, asked)}
			})
		}
		if err != nil && ctx.Err() == nil {
			a.c.db.opt.Logger.Warn("another node asked for the newest commits and got no answer", slog.String("error", err.Error()))
		}
	})
}
