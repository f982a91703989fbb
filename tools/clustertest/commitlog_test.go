package clustertest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// commitLogSettings are how the servers write their commit logs. Segments are small,
// since the next one is made ahead of time and two have to be filled until a full
// disk is noticed; and they are compressed, since others are mapped into memory, and
// a full disk ends the server then instead of having it follow commit_failure_policy.
var commitLogSettings = []string{"commitlog_segment_size: 4MiB", "commitlog_compression: [{class_name: LZ4Compressor}]"}

const (
	// diskMiB is the size of the disk that becomes full.
	diskMiB = 64
	// fillLimit is how long a server may take to notice that.
	fillLimit = 3 * time.Minute
)

// fullCommitLog gives a server a small disk for its commit log and lets it run full.
func (s *scene) fullCommitLog(ctx context.Context) (what string, err error) {
	if os.Geteuid() != 0 {
		return "SKIPPED: a small disk is made by mounting one, which only root may", nil
	}
	number := s.pick(len(s.server.Hosts()))
	what = fmt.Sprintf("full disk for the commit log of server %d", number)
	disk := filepath.Join(s.server.DataDir(number), "commitlog")
	if err := s.server.Kill(number); err != nil {
		return what, err
	}
	unmount, err := mountOver(disk, diskMiB)
	if errors.Is(err, syscall.EPERM) {
		return "SKIPPED: a small disk cannot be mounted here: " + err.Error(), s.server.Restart(ctx, number)
	}
	if err != nil {
		return what, err
	}
	defer func() { // its data stay, and the server goes on with them
		err = errors.Join(err, s.server.Kill(number), unmount())
		if restart := s.server.Restart(ctx, number); restart != nil {
			what += "; it could not replay its commit log, and was repaired"
			err = errors.Join(err, s.mend(ctx, number, restart))
		}
	}()
	if err := s.server.Restart(ctx, number); err != nil {
		return what, err
	}
	ballast := filepath.Join(disk, "ballast")
	if err := fill(ballast); err != nil {
		return what, err
	}
	start := time.Now()
	if err := s.untilFull(ctx, number); err != nil {
		return what, err
	}
	what += fmt.Sprintf(", which it noticed after %.1f s", time.Since(start).Seconds())
	err = s.goesOn(ctx, s.pause(), s.nodes...)
	return what, errors.Join(err, os.Remove(ballast))
}

// mend starts a server that does not start, since a full disk has left a commit log
// that it cannot read, as an operator does: without what it cannot read, which the
// other replicas have.
func (s *scene) mend(ctx context.Context, number int, failure error) error {
	if !strings.Contains(failure.Error(), "CommitLogReadException") {
		return failure
	}
	if err := s.server.RestartWith(ctx, number, "-Dcassandra.commitlog.ignorereplayerrors=true"); err != nil {
		return err
	}
	_, err := s.server.Nodetool(ctx, number, "repair", "-full", s.keyspace)
	return err
}

// mountOver mounts a disk of some size over a folder, with the folder's files in
// it. The function that it returns undoes that.
func mountOver(dir string, sizeMiB int) (undo func() error, err error) {
	aside := dir + ".aside"
	if err := os.Rename(dir, aside); err != nil {
		return nil, err
	}
	back := func() error { return errors.Join(os.Remove(dir), os.Rename(aside, dir)) }
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, errors.Join(err, os.Rename(aside, dir))
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", sizeMiB)); err != nil {
		return nil, errors.Join(err, back())
	}
	if err := os.CopyFS(dir, os.DirFS(aside)); err != nil {
		return nil, errors.Join(err, syscall.Unmount(dir, 0), back())
	}
	return func() error {
		if err := os.RemoveAll(aside); err != nil {
			return err
		}
		if err := os.CopyFS(aside, os.DirFS(dir)); err != nil {
			return err
		}
		return errors.Join(syscall.Unmount(dir, 0), back())
	}, nil
}

// fill fills a disk with a file.
func fill(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, zeros{})
	if errors.Is(err, syscall.ENOSPC) {
		err = nil
	}
	return errors.Join(err, f.Close())
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }

// untilFull writes until a server has noticed that its disk is full.
func (s *scene) untilFull(ctx context.Context, number int) error {
	ctx, cancel := context.WithTimeout(ctx, fillLimit)
	defer cancel()
	log, err := os.Open(s.server.LogFile(number))
	if err != nil {
		return err
	}
	defer log.Close()
	if _, err := log.Seek(0, io.SeekEnd); err != nil {
		return err
	}
	l := &link{to: s.nodes[0]}
	defer l.close()
	for {
		text, err := io.ReadAll(log)
		if err != nil {
			return err
		}
		if strings.Contains(string(text), "No space left on device") || !slices.Contains(s.server.Running(), number) {
			return nil
		}
		if err := s.writeMuch(ctx, l); ctx.Err() != nil {
			return fmt.Errorf("server %d did not notice that its commit log's disk is full: %w; at last: %w", number, context.Cause(ctx), err)
		}
	}
}

// writeMuch writes rows that are of no interest.
func (s *scene) writeMuch(ctx context.Context, l *link) error {
	conn, err := l.get(ctx)
	if err != nil {
		return errors.Join(err, await(ctx, writerPause))
	}
	const rows = 5000
	_, err = conn.CopyFrom(ctx, pgx.Identifier{"ballast"}, []string{"n", "text"}, pgx.CopyFromSlice(rows, func(n int) ([]any, error) {
		return []any{n, fmt.Sprintf("%016x%016x%016x", s.rng.Uint64(), s.rng.Uint64(), s.rng.Uint64())}, nil
	}))
	return err
}
