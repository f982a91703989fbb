package commitlog

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"sort"

	"github.com/phyllodb/phyllo/chunk"
)

// pageSizes say how pages are made. Nobody relies on what another process chose.
type pageSizes struct {
	// most chunks of a page as a checkpoint has it: what a query reads for a chunk
	// that it wants, and what a flush makes a checkpoint write again.
	most int
	// least is from how many chunks on a page is stored on its own; smaller ones
	// are in the checkpoint itself, and in memory.
	least int
}

var defaultPageSizes = pageSizes{most: 128, least: 32}

// A place is where a chunk stands in the order of a manifest.
type place struct {
	slice int64
	key   []byte // KeyMin
	id    chunk.ID
}

func placeOf(e *chunk.Entry) place { return place{e.Slice, e.KeyMin, e.ID} }

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.slice, q.slice), bytes.Compare(p.key, q.key), compareIDs(p.id, q.id))
}

// A page is a run of a manifest's live chunks, of which a summary is in memory
// and the rest may be in the store. It is immutable, and has a chunk or more.
type page struct {
	summary
	stored  *storedName    // nil: all chunks are in added
	added   []*chunk.Entry // not in stored, by compareChunks
	removed []chunk.ID     // of stored, not live any more; sorted
}

// summary is what of a page is always in memory. What it bounds lies between
// the bounds, and need not reach them once chunks were removed.
type summary struct {
	count       int // live chunks
	first, last place
	keyMax      []byte          // of all chunks' KeyMax
	time        chunk.TimeRange // Min > Max if there are no times
	versionMax  uint64          // see Manifest.VersionMax
	shrunk      bool            // chunks were removed since the bounds were made
	prints      []uint64        // fingerprints of the chunks' IDs, sorted
}

// fingerprint tells chunk IDs apart, all but surely.
func fingerprint(id chunk.ID) uint64 {
	x := binary.BigEndian.Uint64(id[:8])*0x9e3779b97f4a7c15 ^ binary.BigEndian.Uint64(id[8:])
	x = (x ^ x>>32) * 0xd6e8feb86659fd93
	return x ^ x>>32
}

// newPage makes a page in memory of sorted chunks, one or more.
func newPage(entries []*chunk.Entry) *page {
	p := &page{added: entries, summary: summary{count: len(entries), first: placeOf(entries[0]), last: placeOf(entries[len(entries)-1])}}
	p.time = noTime
	p.prints = make([]uint64, len(entries))
	for i, e := range entries {
		p.prints[i] = fingerprint(e.ID)
		p.widen(e)
	}
	slices.Sort(p.prints)
	return p
}

// noTime is the range of no times.
var noTime = chunk.TimeRange{Min: 1, Max: 0}

// union returns the least range that has two ranges, of which each may be of no times.
func union(a, b chunk.TimeRange) chunk.TimeRange {
	switch {
	case b.Min > b.Max:
		return a
	case a.Min > a.Max:
		return b
	}
	return chunk.TimeRange{Min: min(a.Min, b.Min), Max: max(a.Max, b.Max)}
}

// widen makes the bounds of a summary hold one more chunk.
func (s *summary) widen(e *chunk.Entry) {
	if at := placeOf(e); at.compare(s.first) < 0 {
		s.first = at
	} else if at.compare(s.last) > 0 {
		s.last = at
	}
	if bytes.Compare(e.KeyMax, s.keyMax) > 0 {
		s.keyMax = e.KeyMax
	}
	s.time = union(s.time, e.Time)
	s.versionMax = max(s.versionMax, e.Taken())
}

// mayHave tells whether a chunk with that fingerprint may be in the page.
func (s *summary) mayHave(print uint64) bool {
	_, found := slices.BinarySearch(s.prints, print)
	return found
}

// clean tells whether the page is in the store as it is.
func (p *page) clean() bool { return p.stored != nil && len(p.added) == 0 && len(p.removed) == 0 }

// entries returns the page's chunks by compareChunks, from the store if need be.
func (p *page) entries(ctx context.Context, from *pager) ([]*chunk.Entry, error) {
	if p.stored == nil {
		return p.added, nil
	}
	stored, err := from.load(ctx, *p.stored)
	if errors.Is(err, errReplaced) {
		return from.regather(ctx, p)
	}
	if err != nil || p.clean() {
		return stored, err
	}
	out := make([]*chunk.Entry, 0, p.count)
	added := p.added
	for _, e := range stored {
		if _, gone := slices.BinarySearchFunc(p.removed, e.ID, compareIDs); gone {
			continue
		}
		for len(added) > 0 && compareChunks(added[0], e) < 0 {
			out, added = append(out, added[0]), added[1:]
		}
		out = append(out, e)
	}
	if out = append(out, added...); len(out) != p.count {
		return nil, &pageError{from.part, *p.stored, corrupt("%d chunks, its summary says %d", len(out), p.count)}
	}
	return out, nil
}

// pageAt returns the number of the page in which a chunk at the place is, or
// belongs. There must be a page.
func pageAt(pages []*page, at place) int {
	after := sort.Search(len(pages), func(i int) bool { return pages[i].first.compare(at) > 0 })
	return max(after-1, 0)
}

// pageEditor makes new pages out of a manifest's, which stay as they are.
type pageEditor struct {
	most    int // chunks of a page
	pages   []*page
	owned   map[*page]bool // pages that no manifest has
	dropped []*storedName  // that no page has any more
}

func (m *Manifest) editPages() *pageEditor {
	return &pageEditor{most: m.pager.sizes().most, pages: slices.Clone(m.pages), owned: map[*page]bool{}, dropped: m.dropped}
}

// done gives the manifest the pages; the editor is of no use any more.
func (e *pageEditor) done(m *Manifest) { m.pages, m.dropped = e.pages, e.dropped }

// own makes page i one that may be changed.
func (e *pageEditor) own(i int) *page {
	p := e.pages[i]
	if !e.owned[p] {
		c := *p
		c.added, c.removed, c.prints = slices.Clone(p.added), slices.Clone(p.removed), slices.Clone(p.prints)
		p = &c
		e.pages[i], e.owned[p] = p, true
	}
	return p
}

// insert makes the chunks a page of their own.
func (e *pageEditor) insert(i int, entries []*chunk.Entry) {
	p := newPage(entries)
	e.owned[p] = true
	e.pages = slices.Insert(e.pages, i, p)
}

// add adds a chunk, which is not there yet. Nothing is read for it: what is in
// the store and what was added are put together by the next checkpoint.
func (e *pageEditor) add(c *chunk.Entry) {
	if len(e.pages) == 0 {
		e.insert(0, []*chunk.Entry{c})
		return
	}
	at := placeOf(c)
	i := pageAt(e.pages, at)
	if p := e.pages[i]; p.count >= e.most && at.compare(p.last) > 0 {
		e.insert(i+1, []*chunk.Entry{c}) // full pages are left alone by what comes after them
		return
	}
	p := e.own(i)
	p.count++
	p.widen(c)
	k, _ := slices.BinarySearchFunc(p.added, c, compareChunks)
	p.added = slices.Insert(p.added, k, c)
	f, _ := slices.BinarySearch(p.prints, fingerprint(c.ID))
	p.prints = slices.Insert(p.prints, f, fingerprint(c.ID))
	if p.stored == nil && p.count > e.most {
		half := p.count / 2
		e.pages = slices.Delete(e.pages, i, i+1)
		e.insert(i, slices.Clone(p.added[half:]))
		e.insert(i, slices.Clone(p.added[:half]))
	}
}

// remove takes out a chunk, which is there.
func (e *pageEditor) remove(c *chunk.Entry) {
	i := pageAt(e.pages, placeOf(c))
	p := e.own(i)
	p.count--
	p.shrunk = true
	if f, ok := slices.BinarySearch(p.prints, fingerprint(c.ID)); ok {
		p.prints = slices.Delete(p.prints, f, f+1)
	}
	if k, ok := slices.BinarySearchFunc(p.added, c, compareChunks); ok {
		p.added = slices.Delete(p.added, k, k+1)
	} else {
		k, _ := slices.BinarySearchFunc(p.removed, c.ID, compareIDs)
		p.removed = slices.Insert(p.removed, k, c.ID)
	}
	if p.count > 0 {
		return
	}
	if p.stored != nil {
		e.dropped = append(slices.Clip(e.dropped), p.stored)
	}
	e.pages = slices.Delete(e.pages, i, i+1)
}
