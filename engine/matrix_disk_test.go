package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/engine/local"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/vfs"
)

// diskBed is the embedded store on a disk that fails.
type diskBed struct {
	faults *faults
	sites  *sites
	mode   vfs.CrashMode
	seed   uint64

	mu   sync.Mutex // guards the fields below
	disk *vfs.Mem
	cut  *vfs.Mem // what a power cut left
}

func (b *diskBed) String() string { return fmt.Sprintf("crashes leave %v, seed %d", b.mode, b.seed) }

func changesDisk(op string) bool { return vfs.Op(op).Changes() }

func is(ops ...vfs.Op) func(string) bool {
	return func(op string) bool { return slices.Contains(ops, vfs.Op(op)) }
}

func anyCall(string) bool { return true }

// diskWays are the ways in which a disk fails.
var diskWays = []way{
	{name: "error", on: anyCall, how: func(vfs.Call) vfs.Fate { return vfs.Fate{Err: syscall.EIO} }},
	{name: "full", on: is(vfs.OpWrite, vfs.OpCreate, vfs.OpMkdir, vfs.OpRename), how: func(vfs.Call) vfs.Fate { return vfs.Fate{Err: syscall.ENOSPC, Keep: 3} }},
	{name: "torn", on: is(vfs.OpWrite), how: func(c vfs.Call) vfs.Fate { return vfs.Fate{Err: syscall.EIO, Keep: c.Size / 2} }},
	{name: "lost", on: is(vfs.OpSync), how: func(vfs.Call) vfs.Fate { return vfs.Fate{Err: syscall.EIO, Lose: true} }},
	{name: "applied", on: changesDisk, how: func(vfs.Call) vfs.Fate { return vfs.Fate{Err: syscall.EIO, Applied: true} }},
	{name: "dead", on: changesDisk, how: func(vfs.Call) vfs.Fate { return vfs.Fate{Err: syscall.EIO} }, ever: true},
	{name: "power", on: changesDisk, how: func(vfs.Call) vfs.Fate { return vfs.Fate{} }, power: true},
}

// folderOf returns the folder of the store that a file lies in: the same code writes logs of two kinds.
func folderOf(name string) string {
	for _, folder := range []string{"source", "commit", "chunks", "checkpoints"} {
		if strings.HasPrefix(name, "data/"+folder) {
			return folder
		}
	}
	return "data"
}

// hook decides about a call of a process's disk.
func (b *diskBed) hook(disk *vfs.Mem) func(c vfs.Call) vfs.Fate {
	return func(c vfs.Call) vfs.Fate {
		w := b.faults.ask(b.sites.of()+" for "+folderOf(c.Name), string(c.Op), c.Name, c.Op.Changes())
		if w == nil {
			return vfs.Fate{}
		}
		if w.power {
			b.mu.Lock()
			b.cut = disk.Crash(b.mode, b.seed)
			b.mu.Unlock()
		}
		return w.how.(func(vfs.Call) vfs.Fate)(c)
	}
}

func (b *diskBed) open(*engine.Options) (store.Store, error) {
	b.mu.Lock()
	disk := b.disk
	b.mu.Unlock()
	s, err := local.Open(local.Options{Dir: "data", FS: vfs.NewFault(disk, b.hook(disk)), CacheBytes: 64 << 10, LogFileBytes: 8 << 10})
	if err != nil {
		return nil, err // not a nil *local.Store
	}
	return s, nil
}

func (b *diskBed) crash(stop func()) {
	b.mu.Lock()
	left := b.cut
	if left == nil {
		left = b.disk.Crash(b.mode, b.seed)
	}
	b.cut = nil
	b.mu.Unlock()
	stop()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.disk = left
}

func (b *diskBed) begun() {}

func (b *diskBed) verify(s store.Store, report func(error)) error {
	return s.(*local.Store).Verify(ctx0, report)
}
