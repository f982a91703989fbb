package difftest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/phyllodb/phyllo/tools/difftest/compare"
)

// documentsOf makes rows as COPY's text: documents whose paths are frequent or rare, of
// one type or of several, with keys and values of all kinds, and NULLs.
func documentsOf(rng *rand.Rand, from, rows int) string {
	pick := func(of ...string) string { return of[rng.IntN(len(of))] }
	var b strings.Builder
	for i := range rows {
		var m []string
		add := func(percent int, key, value string) {
			if rng.IntN(100) < percent {
				m = append(m, `"`+key+`": `+value)
			}
		}
		add(99, "device", fmt.Sprintf(`"dev-%d"`, rng.IntN(40)))
		add(95, "v", fmt.Sprintf("%.*f", rng.IntN(3), rng.Float64()*100))
		add(95, "n", fmt.Sprint(rng.IntN(1000)-500))
		add(70, "ok", pick("true", "false", "null"))
		add(90, "mixed", pick("1", `"1"`, "null", `{"a": 1.0}`, "[1, 2]", "1.00", "-1e3", `"q\"uote"`, "{}", "true"))
		add(90, `od"d \k`, `"\u0001\té\\ \/"`)
		add(90, "", fmt.Sprint(rng.IntN(3)))
		add(80, "tags", fmt.Sprintf(`["a", %d, {"b": null}]`, rng.IntN(4)))
		add(1, fmt.Sprintf("rare%d", rng.IntN(50)), `"x"`)
		add(90, "inner", pick(fmt.Sprintf(`{"name": "n%d", "deep": {"x": %d, "longer": [], "nil": null}}`, rng.IntN(100), rng.IntN(9)),
			fmt.Sprintf(`{"name": "n%d", "name": "twice"}`, rng.IntN(100)), `{"deep": {"x": "text"}}`, "7", "{}", `[{"name": "n1"}]`, "null"))
		rng.Shuffle(len(m), func(i, j int) { m[i], m[j] = m[j], m[i] })
		doc := "{" + strings.Join(m, ",") + "}"
		switch rng.IntN(50) {
		case 0:
			doc = pick(`"dev-1"`, "17", "[1]", "null", "{}", strings.Repeat("[", 99)+strings.Repeat("]", 99))
		case 1:
			fmt.Fprintf(&b, "%d\tk%d\t\\N\n", from+i, i%7)
			continue
		}
		doc = strings.ReplaceAll(strings.ReplaceAll(doc, `od"d \k`, `od\"d \\k`), `\`, `\\`)
		fmt.Fprintf(&b, "%d\tk%d\t%s\n", from+i, i%7, doc)
	}
	return b.String()
}

// documentReads ask for documents, for paths of them, and for rows by these.
func documentReads(doc string) (out []string) {
	for _, sql := range []string{
		"SELECT id, DOC FROM t ORDER BY id",
		"SELECT id, DOC->>'device', DOC->>'v', DOC->>'ok', DOC->>'mixed', DOC->>'', DOC->>E'od\"d \\\\k', DOC->>'nowhere', DOC->>'rare7' FROM t ORDER BY id",
		"SELECT id, DOC->'device', DOC->'v', DOC->'ok', DOC->'mixed', DOC->'tags', DOC->'inner', DOC->'inner'->'deep', DOC->'nowhere' FROM t ORDER BY id",
		"SELECT id, DOC->'inner'->>'name', DOC#>>'{inner,deep,x}', DOC#>'{inner,deep}', DOC#>>'{inner,deep,nil}', DOC#>>'{tags,0}', DOC->'tags'->>1, DOC#>>'{}', DOC->'device'->>'x' FROM t ORDER BY id",
		"SELECT id, DOC, DOC->>'device' FROM t WHERE DOC->>'device' = 'dev-7' ORDER BY id",
		"SELECT id FROM t WHERE DOC->>'device' IN ('dev-1', 'dev-11', 'none') AND DOC->>'ok' IS NOT NULL ORDER BY id",
		"SELECT id FROM t WHERE DOC->>'device' LIKE 'dev-3%' AND DOC->'inner'->>'name' > 'n5' ORDER BY id",
		"SELECT id FROM t WHERE DOC->>'ok' IS NULL AND DOC->>'mixed' <> '1' ORDER BY id",
		"SELECT id FROM t WHERE (DOC->>'v')::float8 > 50 AND (DOC->>'n')::int < 0 ORDER BY id",
		"SELECT id FROM t WHERE DOC->'v' > '50' AND DOC ? 'ok' AND DOC @> '{\"device\": \"dev-3\"}' ORDER BY id",
		"SELECT id FROM t WHERE CASE WHEN DOC->>'mixed' ~ '^[0-9]+$' THEN (DOC->>'mixed')::int = 1 END ORDER BY id",
		"SELECT DOC->>'device', count(*), sum((DOC->>'n')::bigint), avg((DOC->>'v')::numeric), min(DOC->'inner'->>'name'), count(DOC->>'ok') FROM t GROUP BY 1 ORDER BY 1",
		"SELECT count(DOC->>'mixed'), count(DOC->>'nowhere'), min(DOC->>'device'), max(DOC->>'device'), count(*) FILTER (WHERE DOC->>'ok' = 'true') FROM t",
		"SELECT count(*), jsonb_typeof(DOC->'mixed') FROM t GROUP BY 2 ORDER BY 2",
		"SELECT a.id, b.id FROM t a JOIN t b ON a.DOC->>'n' = b.DOC->>'n' AND a.id < b.id WHERE a.DOC->>'device' = 'dev-5' AND b.DOC->'inner'->>'name' = 'twice' ORDER BY 1, 2",
		"SELECT a.id, b.DOC->>'device' FROM t a LEFT JOIN t b ON b.id = a.id + 1 AND b.DOC->>'ok' = 'false' WHERE a.id % 50 = 0 ORDER BY 1",
		"SELECT id, d FROM (SELECT id, DOC->'inner' AS i, DOC->>'device' AS d FROM t ORDER BY DOC->>'n', id LIMIT 400) s WHERE i->>'name' IS NOT NULL ORDER BY id",
		"SELECT id, x FROM t, LATERAL (SELECT DOC->>'device' AS x) l WHERE x = 'dev-9' ORDER BY id",
		"SELECT id FROM t WHERE EXISTS (SELECT 1 FROM t u WHERE u.DOC->>'device' = t.DOC->>'device' AND u.id > t.id + 2500) ORDER BY id",
		"SELECT id, lag(DOC->>'n') OVER (PARTITION BY DOC->>'device' ORDER BY id) FROM t ORDER BY id",
		"SELECT DISTINCT ON (DOC->>'device') DOC->>'device', id, DOC->>'v' FROM t ORDER BY DOC->>'device', id DESC",
		"SELECT DOC->>'device' FROM t UNION SELECT DOC->'inner'->>'name' FROM t ORDER BY 1",
		"WITH c AS (SELECT id, DOC FROM t) SELECT id, DOC->>'device' FROM c WHERE DOC->>'n' = '7' ORDER BY id",
		"SELECT id, k, DOC->>'device' FROM t WHERE k = 'k3' AND DOC->>'device' = 'dev-3' ORDER BY id",
	} {
		out = append(out, strings.ReplaceAll(sql, "DOC", doc))
	}
	return out
}

// TestDocuments reads documents and paths of them while they lie in buffers, in chunks
// as they are flushed and as they are compacted, and after rows and columns have changed.
func TestDocuments(t *testing.T) {
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d (give it back with -seed)", *seed)
	for name, suffix := range map[string]string{"keyed": ", PRIMARY KEY (id)", "events": ""} {
		t.Run(name, func(t *testing.T) {
			p := open(t)
			p.both(t, "CREATE TABLE t (id int, k text, doc jsonb"+suffix+")", "")
			rng := rand.New(rand.NewPCG(*seed, 1))
			reads := func(doc string, all bool) {
				t.Helper()
				list := documentReads(doc)
				if !all {
					rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
					list = list[:8]
				}
				for _, sql := range list {
					if p.compare(t, sql); t.Failed() {
						t.FailNow()
					}
				}
			}
			load := func(from, rows int) {
				t.Helper()
				data := documentsOf(rng, from, rows)
				for _, conn := range []*pgx.Conn{p.pg, p.ours} {
					if _, err := conn.PgConn().CopyFrom(context.Background(), strings.NewReader(data), "COPY t FROM STDIN"); err != nil {
						t.Fatal(err)
					}
				}
			}
			load(0, 1500)
			reads("doc", false) // in buffers
			p.checkpoint(t)
			load(1500, 1500)
			reads("doc", true) // in a chunk and in buffers
			p.checkpoint(t)
			p.vacuum(t)
			p.partsRead(t)
			reads("doc", true) // in parts
			p.both(t, "UPDATE t SET doc = doc || '{\"device\": \"dev-3\"}' WHERE doc->>'device' = 'dev-1'", "")
			p.both(t, "UPDATE t SET doc = doc - 'v' WHERE doc->'inner'->>'name' = 'twice'", "")
			p.both(t, "DELETE FROM t WHERE doc->>'device' IN ('dev-2', 'dev-20') OR doc->>'n' = '-7'", "")
			reads("doc", false)
			p.checkpoint(t)
			p.both(t, "ALTER TABLE t RENAME COLUMN doc TO payload", "")
			p.both(t, "ALTER TABLE t ADD COLUMN more jsonb DEFAULT '{\"device\": \"dev-1\", \"v\": 1.50}'", "")
			reads("payload", false)
			reads("more", false)
			p.vacuum(t)
			reads("payload", false)
			p.both(t, "ALTER TABLE t DROP COLUMN payload", "")
			reads("more", false)
			p.compare(t, "SELECT * FROM t ORDER BY id")
		})
	}
}

func (p *pair) vacuum(t *testing.T) {
	t.Helper()
	if _, err := p.ours.Exec(context.Background(), "VACUUM t"); err != nil {
		t.Fatal(err)
	}
}

var bytesRead = regexp.MustCompile(`Bytes: (\d+)(B|kB) read, .* of (\d+)(B|kB)\n`)

// partsRead says that a path is read for a small part of what all documents take.
func (p *pair) partsRead(t *testing.T) {
	t.Helper()
	r, err := compare.Query(context.Background(), p.ours, "EXPLAIN (ANALYZE) SELECT doc->>'device' FROM t")
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, row := range r.Rows {
		text.WriteString(row[0] + "\n")
	}
	m := bytesRead.FindStringSubmatch(text.String())
	if m == nil {
		t.Fatalf("no bytes in\n%s", text.String())
	}
	size := func(number, unit string) int {
		n, err := strconv.Atoi(number)
		if err != nil {
			t.Fatal(err)
		}
		if unit == "kB" {
			n *= 1024
		}
		return n
	}
	if read, all := size(m[1], m[2]), size(m[3], m[4]); read*6 > all {
		t.Errorf("a path of documents takes %d of %d bytes\n%s", read, all, text.String())
	}
}

// TestJSONPath compares paths: as values, in columns and what they find.
func TestJSONPath(t *testing.T) {
	open(t).run(t, "jsonpath.sql")
}

// TestRecords compares what makes rows of documents, and assignments to elements.
func TestRecords(t *testing.T) {
	open(t).run(t, "records.sql")
}
