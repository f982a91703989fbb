package query

import (
	"context"
	"slices"
	"sync"

	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/function"
)

// A Notification is what NOTIFY sends to those who listen to its channel.
type Notification struct {
	PID              int32 // of the session that sent it
	Channel, Payload string
}

func (n *Notification) bytes() int64 { return int64(len(n.Channel)+len(n.Payload)) + 64 }

const (
	// maxPayload is the length from which on a payload is too long.
	maxPayload = 8000
	// maxChannel is the length from which on the name of a channel is too long.
	maxChannel = 64
	// maxQueued bounds the bytes of notifications that wait for sessions to take them.
	maxQueued = 64 << 20
)

// A queued notification waits until as many sessions as are left have taken it.
type queued struct {
	Notification
	left int
}

// A hub hands notifications to the sessions of this node. It is safe for concurrent use.
type hub struct {
	// turn is taken by who commits notifications, so that all hear them in the order of the commits.
	turn chan struct{}

	mu        sync.Mutex // guards the fields below, and the inboxes of sessions
	listeners map[string]map[*Session]bool
	bytes     int64 // of what is queued
}

func newHub() *hub {
	return &hub{turn: make(chan struct{}, 1), listeners: map[string]map[*Session]bool{}}
}

// channels is what a session's transaction has done with LISTEN and NOTIFY so far, and what
// came for the session.
type channels struct {
	listening []string       // as of the last commit
	actions   []listenAction // of the transaction
	sent      []Notification // by the transaction
	known     map[Notification]bool
	bytes     int64 // of sent

	inbox []*queued // the hub's
}

// A listenAction is LISTEN, UNLISTEN or, without a channel, UNLISTEN *.
type listenAction struct {
	channel string
	listen  bool
}

// channelsMark is where a savepoint stands.
type channelsMark struct{ actions, sent int }

func (c *channels) mark() channelsMark { return channelsMark{len(c.actions), len(c.sent)} }

// rollbackTo forgets what was done since a savepoint.
func (c *channels) rollbackTo(m channelsMark) {
	for _, n := range c.sent[m.sent:] {
		delete(c.known, n)
		c.bytes -= n.bytes()
	}
	c.sent, c.actions = c.sent[:m.sent], c.actions[:m.actions]
}

// end forgets what the transaction has done.
func (c *channels) end() { c.sent, c.known, c.actions, c.bytes = nil, nil, nil, 0 }

// listen is LISTEN and UNLISTEN, which count when the transaction commits.
func (s *Session) listen(a listenAction) { s.channels.actions = append(s.channels.actions, a) }

// notifyCommand is NOTIFY.
func (s *Session) notifyCommand(st *ast.Notify) (string, error) {
	return "NOTIFY", sessionChannels{s}.Notify(st.Channel, st.Payload)
}

// sessionChannels is what functions ask of LISTEN and NOTIFY.
type sessionChannels struct{ *Session }

// Channels are what LISTEN and NOTIFY are about.
func (s *Session) Channels() function.Channels { return sessionChannels{s} }

// Notify sends a notification when the transaction commits, once if it is sent again.
func (s sessionChannels) Notify(channel, payload string) error {
	switch {
	case channel == "":
		return pgerr.New(pgerr.InvalidParameterValue, "channel name cannot be empty")
	case len(channel) >= maxChannel:
		return pgerr.New(pgerr.InvalidParameterValue, "channel name too long")
	case len(payload) >= maxPayload:
		return pgerr.New(pgerr.InvalidParameterValue, "payload string too long")
	}
	c, n := &s.channels, Notification{s.pid, channel, payload}
	if c.known[n] {
		return nil
	}
	if c.bytes+n.bytes() > maxQueued {
		return errQueueFull()
	}
	if c.known == nil {
		c.known = map[Notification]bool{}
	}
	c.known[n] = true
	c.sent = append(c.sent, n)
	c.bytes += n.bytes()
	return nil
}

func errQueueFull() error {
	return pgerr.New(pgerr.ProgramLimitExceeded, "too many notifications in the NOTIFY queue")
}

// Listening returns the channels that the session listens to.
func (s sessionChannels) Listening() []string { return slices.Clone(s.channels.listening) }

// QueueUsage is how much of the queue is used, from 0 to 1.
func (s sessionChannels) QueueUsage() float64 {
	h := s.engine.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	return float64(h.bytes) / maxQueued
}

// commitNotifying commits the transaction by commit, and then does what LISTEN and NOTIFY said.
func (s *Session) commitNotifying(ctx context.Context, commit func(context.Context) error) error {
	c, h := &s.channels, s.engine.hub
	if len(c.sent) == 0 {
		err := commit(ctx)
		if err == nil && len(c.actions) > 0 {
			h.apply(s)
		}
		return err
	}
	select {
	case h.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-h.turn }()
	if !h.room(c.bytes) {
		return errQueueFull()
	}
	if err := commit(ctx); err != nil {
		return err
	}
	h.apply(s)
	h.publish(s.opt.Database, c.sent)
	return nil
}

// room says whether there is room for more.
func (h *hub) room(bytes int64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.bytes+bytes <= maxQueued
}

// apply does what LISTEN and UNLISTEN of a transaction said.
func (h *hub) apply(s *Session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := &s.channels
	for _, a := range c.actions {
		switch {
		case a.listen && !slices.Contains(c.listening, a.channel):
			c.listening = append(c.listening, a.channel)
			if h.listeners[a.channel] == nil {
				h.listeners[a.channel] = map[*Session]bool{}
			}
			h.listeners[a.channel][s] = true
		case !a.listen:
			h.unlisten(s, a.channel)
		}
	}
}

// unlisten takes a session off a channel, or off all if it is empty; h.mu is held.
func (h *hub) unlisten(s *Session, channel string) {
	c := &s.channels
	c.listening = slices.DeleteFunc(c.listening, func(name string) bool {
		if channel != "" && name != channel {
			return false
		}
		delete(h.listeners[name], s)
		if len(h.listeners[name]) == 0 {
			delete(h.listeners, name)
		}
		return true
	})
}

// publish hands notifications to those who listen in a database, and wakes them.
func (h *hub) publish(database string, sent []Notification) {
	h.mu.Lock()
	woken := map[*Session]bool{}
	for _, n := range sent {
		q := &queued{Notification: n}
		for s := range h.listeners[n.Channel] {
			if s.opt.Database != database {
				continue
			}
			q.left++
			s.channels.inbox = append(s.channels.inbox, q)
			woken[s] = true
		}
		if q.left > 0 {
			h.bytes += n.bytes()
		}
	}
	h.mu.Unlock()
	for s := range woken {
		if s.opt.Notified != nil {
			s.opt.Notified()
		}
	}
}

// Notifications takes what came for the session. It is called between transactions.
func (s *Session) Notifications() []Notification {
	h := s.engine.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.take(s)
}

// take empties a session's inbox; h.mu is held.
func (h *hub) take(s *Session) (out []Notification) {
	for _, q := range s.channels.inbox {
		out = append(out, q.Notification)
		if q.left--; q.left == 0 {
			h.bytes -= q.bytes()
		}
	}
	s.channels.inbox = nil
	return out
}

// leave forgets a session that has ended.
func (h *hub) leave(s *Session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.unlisten(s, "")
	h.take(s)
}
