package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/phyllodb/phyllo/tools/citybus"
)

// A stream sends the fleet's events, a batch a second, until they are acknowledged.
type stream struct {
	url   string
	fleet *citybus.Fleet

	sent    atomic.Int64 // events acknowledged
	late    atomic.Int64 // of these, older than 5 s when they arrived
	retries atomic.Int64
	ackMS   atomic.Int64 // of the last batch
}

func (s *stream) run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	now := time.Now().Truncate(time.Second)
	for {
		events := s.fleet.Step(now)
		var body []byte
		for _, e := range events {
			body = e.AppendJSON(body)
			if now.Sub(e.Time) > 5*time.Second {
				s.late.Add(1)
			}
		}
		start := time.Now()
		if err := s.post(ctx, body); err != nil {
			return err
		}
		s.ackMS.Store(time.Since(start).Milliseconds())
		s.sent.Add(int64(len(events)))
		select {
		case <-ctx.Done():
			return nil
		case now = <-tick.C:
			now = now.Truncate(time.Second)
		}
	}
}

// post sends a batch until it is in. Sending one again after a lost answer is
// harmless: the table's key makes repeated events one row.
func (s *stream) post(ctx context.Context, body []byte) error {
	for {
		retry, wait, err := s.try(ctx, body)
		if err == nil || !retry || ctx.Err() != nil {
			return err
		}
		s.retries.Add(1)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

func (s *stream) try(ctx context.Context, body []byte) (retry bool, wait time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return false, 0, err
	}
	req.Header.Set("Content-Type", "application/x-ndjson")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return true, time.Second, err
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
	switch {
	case resp.StatusCode == http.StatusOK:
		return false, 0, nil
	case resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable:
		seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
		return true, time.Duration(max(1, seconds)) * time.Second, fmt.Errorf("%s", resp.Status)
	}
	return false, 0, fmt.Errorf("ingest: %s: %s", resp.Status, text)
}
