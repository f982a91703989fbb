package crashtest

import (
	"context"
	"maps"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// A madeBackup is one that its command said was complete.
type madeBackup struct {
	name  string
	acked map[int64]bool // batches that were acknowledged before it began
}

var backupName = regexp.MustCompile(`^Backup (\S+):`)

// backups makes backups, of which some are killed, until done is closed.
func backups(t *testing.T, p *process, repository string, l *ledger, rng *rand.Rand, done <-chan struct{}) (made []madeBackup, kills int) {
	for {
		select {
		case <-done:
			return made, kills
		default:
		}
		l.mu.Lock()
		acked := maps.Clone(l.acked)
		l.mu.Unlock()
		ctx, cancel := context.WithCancel(context.Background())
		if rng.IntN(2) == 0 {
			ctx, cancel = context.WithTimeout(context.Background(), time.Duration(rng.IntN(300))*time.Millisecond)
		}
		out, err := exec.CommandContext(ctx, program, "backup", "-q", p.DSN(), repository).Output() // which kills
		killed := ctx.Err() != nil
		cancel()
		m := backupName.FindSubmatch(out)
		switch {
		case m != nil:
			made = append(made, madeBackup{string(m[1]), acked})
		case killed:
			kills++
		case err == nil:
			t.Errorf("a backup said %q", out)
		}
	}
}

// restored is a server on a backup.
func restored(t *testing.T, repository, name string) *process {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "restored")
	if out, err := exec.Command(program, "restore", "-q", repository, dir, "--backup", name).CombinedOutput(); err != nil {
		t.Fatalf("restore %s: %v\n%s", name, err, out)
	}
	return start(t, []string{"--data", dir})
}

// verifySnapshot checks that a backup has what was acknowledged before it, and of each
// transaction all or nothing.
func verifySnapshot(t *testing.T, p *process, l *ledger, b madeBackup) {
	t.Helper()
	then := &ledger{rows: l.rows, acked: b.acked, changes: newChanges()}
	conn, err := pgx.Connect(t.Context(), p.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	verifyBatches(t, conn, then)
	// What changes a batch does so in both tables, to all of its rows.
	rows, err := conn.Query(t.Context(), `SELECT coalesce(m.batch, s.batch), m.least, m.most, m.n, s.least, s.most, s.n
		FROM (SELECT batch, min(gen) AS least, max(gen) AS most, count(*) AS n FROM moved GROUP BY batch) AS m
		FULL JOIN (SELECT batch, min(gen) AS least, max(gen) AS most, count(*) AS n FROM state GROUP BY batch) AS s ON m.batch = s.batch
		WHERE m.least IS DISTINCT FROM m.most OR m.least IS DISTINCT FROM s.least OR m.most IS DISTINCT FROM s.most OR m.n <> $1 OR s.n <> $1`, changedRows)
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			t.Fatal(err)
		}
		t.Errorf("backup %s: a change in part: %v", b.name, values)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

// TestKillBackup kills phyllo backup, and the server while backups are made, under all
// kinds of writers. What says that it is complete is, and restores to a snapshot; the rest is
// not there.
func TestKillBackup(t *testing.T) {
	s := *seed
	if s == 0 {
		s = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d (give it back with -seed)", s)
	rng := rand.New(rand.NewPCG(s, 2))
	store, repository := newStore(t), filepath.Join(t.TempDir(), "backups")
	l := &ledger{rows: map[int64]int{}, acked: map[int64]bool{}, changes: newChanges(), kept: newKept()}
	env := []string{"PHYLLO_SEAL_AGE=150ms", "PHYLLO_MEMORY_BUFFERS_MIB=16"}
	p := start(t, store, env...)
	create(t, p)
	complete, kills := 0, 0
	least := max(2, *rounds/4)
	for round := 0; round < least || kills == 0 && round < 4*least; round++ { // who kills may be too late
		done, ended := make(chan struct{}), make(chan []madeBackup)
		backing, server := rand.New(rand.NewPCG(rng.Uint64(), 0)), p
		go func() {
			made, n := backups(t, server, repository, l, backing, done)
			kills += n
			ended <- made
		}()
		work(t, p, l, time.Duration(1000+rng.IntN(1000))*time.Millisecond, rng.Uint64())
		close(done)
		made := <-ended
		p = start(t, store, env...)
		verify(t, p, l)
		if len(made) > 0 {
			b := made[rng.IntN(len(made))]
			complete++
			r := restored(t, repository, b.name)
			verifySnapshot(t, r, l, b)
			r.stop()
		}
		if t.Failed() {
			t.FailNow()
		}
	}
	// Nothing that was left behind hurts the next one, which has all.
	out, err := exec.Command(program, "backup", "-q", p.DSN(), repository).Output()
	if err != nil {
		t.Fatalf("backup: %v", err)
	}
	name := string(backupName.FindSubmatch(out)[1])
	if out, err := exec.Command(program, "backup", "verify", "-q", repository).CombinedOutput(); err != nil {
		t.Errorf("verify: %v\n%s", err, out)
	}
	r := restored(t, repository, name)
	verify(t, r, l)
	r.stop()
	p.stop()
	// The locks of the dead keep prune from what they may still be at, until they run out.
	out, err = exec.Command(program, "backup", "prune", "--keep", "1", repository).CombinedOutput()
	if err != nil && !strings.Contains(string(out), "in use by another command") {
		t.Errorf("prune: %v\n%s", err, out)
	}
	t.Logf("%d backups were looked at, %d killed; %d batches sent", complete, kills, len(l.rows))
	if kills == 0 {
		t.Error("no backup was killed: the test did not test")
	}
}
