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

// missing says why a page is not there: checkpoints have gone on without it for
// long, or it was lost.
func (r *pager) missing(ctx context.Context, p storedName, cause error) error {
	base, _, err := lastBase(ctx, r.st, r.part)
	var m *Manifest
	if err == nil && base.seq > 0 {
		m, err = readCheckpoint(ctx, r.st, r.part, base)
	}
	switch {
	case errors.Is(err, errMoved) || errors.Is(err, store.ErrNotFound) || err == nil && (m == nil || !m.needs(p)):
		old := pgerr.New(pgerr.SnapshotTooOld, "snapshot too old").
			WithDetail("A page of the manifest of %s was replaced by later checkpoints and removed.", partName(r.part))
		old.Cause = errMoved
		return old
	case err != nil:
		return err
	}
	return corrupt("it is missing: %v", cause)
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
