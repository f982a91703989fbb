package commitlog

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// A pager reads the pages of a log's manifests. It is safe for concurrent use.
type pager struct {
	st    store.Store
	part  chunk.PartitionID
	cache *PageCache
	pageSizes
}

// sizes returns the sizes of the pages to make.
func (r *pager) sizes() pageSizes {
	if r == nil {
		return defaultPageSizes
	}
	return r.pageSizes
}

// errPage marks errors of reading a page: what was asked is not known then.
var errPage = errors.New("commitlog: a page of a manifest could not be read")

// pageError is why a page could not be read.
type pageError struct {
	part chunk.PartitionID
	page storedName
	err  error
}

func (e *pageError) Error() string {
	return fmt.Sprintf("page %v of the manifest of %s: %v", e.page, partName(e.part), e.err)
}

func (e *pageError) Unwrap() error { return e.err }

func (e *pageError) Is(target error) bool { return target == errPage }

// load returns the chunks of a stored page. Errors are errPage too.
func (r *pager) load(ctx context.Context, p storedName) ([]*chunk.Entry, error) {
	entries, err := r.cache.get(ctx, p, func() ([]*chunk.Entry, error) { return r.read(ctx, p) })
	if err != nil {
		return nil, &pageError{r.part, p, err}
	}
	return entries, nil
}

func (r *pager) read(ctx context.Context, p storedName) ([]*chunk.Entry, error) {
	data, err := r.st.Checkpoint(ctx, p.id(r.part))
	if errors.Is(err, store.ErrNotFound) {
		return nil, r.missing(ctx, p, err)
	}
	if err != nil {
		return nil, err
	}
	return parsePage(data, p)
}

// errReplaced reports a page that later checkpoints have done without for so long
// that it was removed.
var errReplaced = errors.New("commitlog: the page was replaced by later checkpoints")

// missing says why a page is not there: it was replaced, or it was lost.
func (r *pager) missing(ctx context.Context, p storedName, cause error) error {
	m, err := r.inUse(ctx)
	switch {
	case err != nil:
		return err
	case m.needs(p):
		return corrupt("it is missing: %v", cause)
	}
	return errReplaced
}

// inUse reads the checkpoint in use.
func (r *pager) inUse(ctx context.Context) (*Manifest, error) {
	for try := 1; ; try++ {
		base, _, err := lastBase(ctx, r.st, r.part)
		m := &Manifest{}
		if err == nil && base.seq > 0 {
			m, err = readCheckpoint(ctx, r.st, r.part, base)
		}
		if err == nil {
			m.pager = r
			return m, nil
		}
		if try == sameTries || !errors.Is(err, errMoved) && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
	}
}

// regather puts a page that was replaced together again: its chunks are among those
// of the checkpoint in use and those that were removed, as long as they have not
// been freed. They are told by place and fingerprint; entries never change.
func (r *pager) regather(ctx context.Context, p *page) ([]*chunk.Entry, error) {
	for try := 1; ; try++ {
		out, err := r.gather(ctx, p)
		if try == sameTries || !errors.Is(err, errReplaced) { // again, by yet later ones
			return out, err
		}
	}
}

func (r *pager) gather(ctx context.Context, p *page) ([]*chunk.Entry, error) {
	m, err := r.inUse(ctx)
	if err != nil {
		return nil, &pageError{r.part, *p.stored, err}
	}
	out := slices.Clone(p.added)
	take := func(e *chunk.Entry) {
		at := placeOf(e)
		if p.mayHave(fingerprint(e.ID)) && at.compare(p.first) >= 0 && at.compare(p.last) <= 0 &&
			!slices.ContainsFunc(p.added, func(a *chunk.Entry) bool { return a.ID == e.ID }) {
			out = append(out, e)
		}
	}
	for _, now := range m.pages {
		if now.last.compare(p.first) < 0 || now.first.compare(p.last) > 0 || !slices.ContainsFunc(now.prints, p.mayHave) {
			continue
		}
		stored, err := now.added, error(nil)
		if now.stored != nil {
			stored, err = r.load(ctx, *now.stored)
		}
		if err != nil {
			return nil, err
		}
		for _, e := range stored {
			take(e)
		}
	}
	for g := range m.garbage.all() {
		take(g.Entry)
	}
	if len(out) != p.count {
		old := pgerr.New(pgerr.SnapshotTooOld, "snapshot too old").
			WithDetail("%d chunks of %s that it has were removed long ago.", p.count-len(out), partName(r.part))
		old.Cause = errMoved
		return nil, &pageError{r.part, *p.stored, old}
	}
	slices.SortFunc(out, compareChunks)
	return out, nil
}

// needs tells whether a page is one of the manifest's.
func (m *Manifest) needs(p storedName) bool {
	return slices.ContainsFunc(m.pages, func(have *page) bool { return have.stored != nil && *have.stored == p })
}

// lists tells whether a later checkpoint will see to it that a page is deleted.
func (m *Manifest) lists(p storedName) bool {
	return slices.ContainsFunc(m.retired, func(r retiredPage) bool { return r.storedName == p }) ||
		slices.ContainsFunc(m.dropped, func(d *storedName) bool { return *d == p })
}
