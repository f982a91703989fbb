package sqlwire

import (
	"maps"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/plan"
)

// This file is what a session answers: query.Client.

// Describe announces the columns of the rows that follow.
func (c *conn) Describe(fields []plan.Field, binary bool) error {
	c.formats = nil
	if binary {
		c.formats = make([]int16, len(fields))
		for i := range c.formats {
			c.formats[i] = pgproto3.BinaryFormat
		}
	}
	c.send(rowDescription(fields, c.formats))
	return nil
}

// Rows sends a batch of rows.
func (c *conn) Rows(fields []plan.Field, batch arrow.RecordBatch) error {
	rows := newDataRows(fields, batch, c.formats, c.session.Output())
	for row := range int(batch.NumRows()) {
		c.out = rows.append(c.out, row)
		if err := c.flushIfLarge(); err != nil {
			return err
		}
	}
	return nil
}

// Complete ends a statement with its tag.
func (c *conn) Complete(tag string) error {
	c.send(&pgproto3.CommandComplete{CommandTag: []byte(tag)})
	return c.flushIfLarge()
}

// Empty answers an empty query string.
func (c *conn) Empty() error {
	c.send(&pgproto3.EmptyQueryResponse{})
	return nil
}

// Notice sends a notice or warning.
func (c *conn) Notice(n *pgerr.Error) {
	c.send((*pgproto3.NoticeResponse)(errorResponse(n, n.Severity)))
}

// ParameterStatus notes a changed setting. The client is told before the next
// ReadyForQuery, once and only if the value is another one by then.
func (c *conn) ParameterStatus(name, value string) { c.changed[name] = value }

// sendNotifications sends what came for the session.
func (c *conn) sendNotifications() {
	c.mu.Lock()
	c.notified = false
	c.mu.Unlock()
	for _, n := range c.session.Notifications() {
		c.send(&pgproto3.NotificationResponse{PID: uint32(n.PID), Channel: n.Channel, Payload: n.Payload})
	}
}

func (c *conn) sendChanged() {
	names := slices.SortedFunc(maps.Keys(c.changed), func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) })
	for _, name := range names {
		value := c.changed[name]
		if old, known := c.reported[name]; !known || old != value {
			c.reported[name] = value
			c.send(&pgproto3.ParameterStatus{Name: name, Value: value})
		}
	}
	clear(c.changed)
}
