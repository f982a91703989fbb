package main

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/engine/local"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/internal/vfs"
)

// A folder is a store that was opened for reading, as it was then: a data folder, or a
// keyspace of a cluster.
type folder struct {
	dir   string // as given
	store store.Store
	local *local.Store // the store, nil of a cluster
	view  *engine.View // without tables if the catalogue is damaged

	catalogueErr error
}

// openFolder opens what the arguments name. Of a data folder it takes no lock, and of
// damaged logs it makes what it can; damage tells.
func (c *inspectCommand) openFolder(ctx context.Context) (*folder, error) {
	f := &folder{dir: c.Dir}
	var err error
	if strings.HasPrefix(c.Dir, cassandraScheme) {
		f.store, err = openCopyCluster(ctx, c.Dir, c.copySide, os.Environ(), slog.New(slog.DiscardHandler))
	} else if f.local, err = openLocal(c.Dir, c.copySide); err == nil {
		f.store = f.local
	}
	if err != nil {
		return nil, err
	}
	f.view, err = engine.OpenView(ctx, f.store, engine.ViewOptions{WithoutChunks: c.drawn()})
	switch {
	case err != nil && mayHaveMoved(err):
		f.view, f.catalogueErr = &engine.View{Catalog: schema.NewCatalog("")}, err
	case err != nil:
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

func openLocal(dir string, side copySide) (*local.Store, error) {
	if side != (copySide{}) {
		return nil, fmt.Errorf("settings of a cluster are given for a folder")
	}
	if info, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no folder %s", dir)
	} else if err == nil && !info.IsDir() {
		return nil, fmt.Errorf("%s is a file, not a data folder", dir)
	}
	return local.Open(local.Options{FS: vfs.OS{}, Dir: dir, ReadOnly: true, SkipDamagedLogs: true, CacheBytes: -1})
}

func (f *folder) close() error { return f.store.Close() }

// damage is what of the logs could not be read, nil if all could.
func (f *folder) damage() error {
	return errors.Join(append(append([]error{f.catalogueErr}, f.logDamage()...), f.view.Damaged()...)...)
}

// logDamage is what of the files of logs could not be read.
func (f *folder) logDamage() []error {
	if f.local == nil {
		return nil
	}
	return f.local.Damage()
}

// segmentFile names the file that has a chunk, nothing in a cluster.
func (f *folder) segmentFile(id chunk.PartitionID, e *chunk.Entry) string {
	if f.local == nil {
		return ""
	}
	return f.local.SegmentFile(id, e)
}

// stamp is a text that changes when the logs do.
func (f *folder) stamp() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d", f.view.Catalog.Seq)
	for _, t := range f.view.Tables {
		for _, p := range t.Partitions {
			fmt.Fprintf(&b, " %d/%x@%d", p.ID.Table, p.ID.Key, p.Manifest.Seq())
		}
	}
	for _, s := range f.view.Sources {
		fmt.Fprintf(&b, " %v:%d-%d", s.Source, s.First, s.Head)
	}
	return b.String()
}

// mayHaveMoved says whether an error may come of changes that a server made
// while the folder was read.
func mayHaveMoved(err error) bool {
	for _, e := range []error{chunk.ErrCorrupt, store.ErrNotFound, store.ErrTrimmed, fs.ErrNotExist} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// folderReport is the level of the folder.
type folderReport struct {
	Folder        string         `json:"folder"`
	FormatVersion int            `json:"format_version,omitempty"` // these two of a folder only
	StoreID       string         `json:"store_id,omitempty"`
	Database      string         `json:"database"`
	SchemaVersion uint64         `json:"schema_version"`
	Tables        []tableSummary `json:"tables"`
	Files         []fileKind     `json:"files,omitempty"`
	Sources       []sourceReport `json:"sources"`
	// Unfreed is the number of partitions of dropped and truncated tables.
	Unfreed int      `json:"partitions_to_be_freed"`
	Damage  []string `json:"damage,omitempty"`
}

// fileKind sums up the files of one kind. InUse are the bytes that are still
// needed.
type fileKind struct {
	Kind  string `json:"kind"`
	Files int    `json:"files"`
	Bytes int64  `json:"bytes"`
	InUse int64  `json:"bytes_in_use"`
}

// sourceReport is a source log.
type sourceReport struct {
	Source      string `json:"source"`
	First       uint64 `json:"first_entry"`
	Head        uint64 `json:"last_entry"`
	Ended       bool   `json:"ended"`
	WaitingRows int64  `json:"waiting_rows"`
	Error       string `json:"error,omitempty"`
}

func (f *folder) report(ctx context.Context) (report, error) {
	r := &folderReport{Folder: f.dir, Database: f.view.Catalog.Database, SchemaVersion: f.view.Catalog.Seq,
		Tables: []tableSummary{}, Sources: []sourceReport{}, Unfreed: len(f.view.Orphans)}
	for _, t := range f.view.Tables {
		r.Tables = append(r.Tables, summarize(t))
	}
	for _, s := range f.view.Sources {
		r.Sources = append(r.Sources, sourceReport{Source: s.Source.String(), First: s.First, Head: s.Head,
			Ended: s.SealedBy != "", WaitingRows: s.WaitingRows, Error: errorText(s.Err)})
	}
	if f.local != nil {
		id := f.local.ID()
		r.FormatVersion, r.StoreID = local.FormatVersion, hex.EncodeToString(id[:])
		var err error
		if r.Files, err = f.fileKinds(ctx); err != nil {
			return nil, err
		}
	}
	err := f.damage()
	if err != nil {
		r.Damage = strings.Split(err.Error(), "\n")
	}
	return r, err
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// fileKinds sums up the files; of segments that is in use which commits name.
func (f *folder) fileKinds(ctx context.Context) ([]fileKind, error) {
	files, err := f.local.Files(ctx)
	if err != nil {
		return nil, err
	}
	kinds := map[local.FileKind]*fileKind{}
	var out []fileKind
	for _, file := range files {
		k := kinds[file.Kind]
		if k == nil {
			k = &fileKind{Kind: string(file.Kind)}
			kinds[file.Kind] = k
		}
		size := file.SizeBytes
		if info, err := os.Stat(filepath.Join(f.dir, file.Name)); err == nil {
			size = info.Size() // with what a log has beyond its last known record
		}
		k.Files++
		k.Bytes += size
		k.InUse += min(size, file.LiveBytes)
	}
	if k := kinds[local.SegmentFile]; k != nil {
		named := int64(0)
		for _, t := range f.view.Tables {
			named += tableBytes(t)
		}
		k.InUse = min(k.Bytes, named)
	}
	for _, k := range kinds {
		out = append(out, *k)
	}
	slices.SortFunc(out, func(a, b fileKind) int { return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), strings.Compare(a.Kind, b.Kind)) })
	return out, nil
}

func (r *folderReport) print(p *printer) {
	if r.StoreID == "" {
		p.line("%s: Phyllo keyspace, database %s, schema version %d", r.Folder, r.Database, r.SchemaVersion)
	} else {
		p.line("%s: Phyllo folder, format version %d, store %s, database %s, schema version %d",
			r.Folder, r.FormatVersion, r.StoreID, r.Database, r.SchemaVersion)
	}
	p.line("")
	if len(r.Tables) == 0 {
		p.line("no tables")
	} else {
		printTables(p, r.Tables)
	}
	if len(r.Files) > 0 {
		r.printFiles(p)
	}
	p.line("")
	printSources(p, r.Sources)
	if r.Unfreed > 0 {
		p.line("%s of dropped or truncated tables %s not been freed yet; the server does that at its next start at the latest.",
			plural(int64(r.Unfreed), "partition"), haveHas(r.Unfreed))
	}
	for _, d := range r.Damage {
		p.line("DAMAGED  %s", p.clean(d, 0))
	}
}

func (r *folderReport) printFiles(p *printer) {
	p.line("")
	g := grid{columns: []gridColumn{{"FILES", false}, {"COUNT", true}, {"BYTES", true}, {"IN USE", true}, {"", false}}}
	most, total := int64(0), fileKind{}
	for _, k := range r.Files {
		most = max(most, k.Bytes)
		total.Files, total.Bytes, total.InUse = total.Files+k.Files, total.Bytes+k.Bytes, total.InUse+k.InUse
	}
	for _, k := range r.Files {
		g.add(k.Kind+"s", count(int64(k.Files)), size(k.Bytes), size(k.InUse), p.bar(k.Bytes, most))
	}
	g.add("all", count(int64(total.Files)), size(total.Bytes), size(total.InUse), "")
	p.grid(&g)
}

func printSources(p *printer, sources []sourceReport) {
	waiting := int64(0)
	for _, s := range sources {
		waiting += s.WaitingRows
	}
	if len(sources) == 0 {
		p.line("There is no source log: all rows are in chunks.")
		return
	}
	g := grid{columns: []gridColumn{{"SOURCE LOG", false}, {"ENTRIES", true}, {"ROWS NOT IN CHUNKS", true}, {"", false}}}
	for _, s := range sources {
		note := ""
		switch {
		case s.Error != "":
			note = "damaged: " + s.Error
		case s.Ended:
			note = "of an earlier process"
		}
		entries := "none"
		if s.First <= s.Head {
			entries = fmt.Sprintf("%d%s%d", s.First, p.dots(), s.Head)
		}
		g.add(s.Source, entries, count(s.WaitingRows), p.clean(note, 0))
	}
	p.grid(&g)
	if waiting == 0 {
		p.line("All rows are in chunks.")
	} else {
		p.line("%s not in chunks yet: in the server's buffers, and safe in the source log.", plural(waiting, "row")+" "+isAre(waiting))
	}
}
