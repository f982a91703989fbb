package crashtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	importRows  = 1_500_000
	importKills = 12
)

// TestKillImport kills phyllo import, and now and then the server with it, until
// an import is through: each row of the file is there once, in a table without a
// key.
func TestKillImport(t *testing.T) {
	s := *seed
	if s == 0 {
		s = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d (give it back with -seed)", s)
	rng := rand.New(rand.NewPCG(s, 1))
	store := newStore(t)
	p := start(t, store)
	query := func(sql string) (out string) {
		t.Helper()
		conn, err := pgx.Connect(t.Context(), p.DSN())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.Background())
		var values [3]int64
		if err := conn.QueryRow(t.Context(), sql).Scan(&values[0], &values[1], &values[2]); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		return fmt.Sprint(values)
	}
	file := filepath.Join(t.TempDir(), "events.parquet")
	made := fmt.Sprintf("SELECT g AS id, 'event number ' || g AS note, '2026-01-01'::timestamptz + g * interval '1 second' AS at FROM generate_series(1, %d) AS g", importRows)
	if out, err := exec.Command(program, "export", "--database", p.DSN(), "--row-group-mib", "2", "--query", made, file).CombinedOutput(); err != nil {
		t.Fatalf("export: %v\n%s", err, out)
	}
	begun := func() *exec.Cmd {
		return exec.Command(program, "import", "--database", p.DSN(), "--create", "--time-column", "at", "--transaction-mib", "1", "events", file)
	}
	kills, through := 0, false
	for range importKills {
		c := begun()
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- c.Wait() }()
		select {
		case err := <-ended:
			if err != nil {
				t.Fatalf("import: %v", err)
			}
			through = true
		case <-time.After(time.Duration(20+rng.IntN(130)) * time.Millisecond):
			kills++
			if rng.IntN(3) == 0 {
				p.Kill()
				p = start(t, store)
			}
			if err := c.Process.Kill(); err != nil {
				t.Log(err) // it has ended with the server
			}
			<-ended
		}
		if through {
			break
		}
	}
	for try := 0; ; try++ { // the server may still be busy with what was killed
		out, err := begun().CombinedOutput()
		if err == nil {
			t.Logf("after %d kills: %s", kills, out)
			break
		}
		if try == 3 {
			t.Fatalf("import: %v\n%s", err, out)
		}
	}
	const sum = int64(importRows) * (importRows + 1) / 2
	want := fmt.Sprint([3]int64{importRows, importRows, sum})
	if got := query("SELECT count(*), count(DISTINCT id), sum(id)::bigint FROM events"); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if kills < 2 {
		t.Errorf("the import was killed %d times: the test did not test", kills)
	}
	p.stop()
}
