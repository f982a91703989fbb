package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/phyllodb/phyllo/tools/citybus"
)

// schema is what the demo creates; it is also a first example of a table.
var schema = []string{
	`CREATE TABLE IF NOT EXISTS bus_positions (
  vehicle_id text, ts timestamptz, route_id text,
  latitude double precision, longitude double precision,
  speed real, meters real,
  PRIMARY KEY (vehicle_id, ts)
) PARTITION BY HASH (vehicle_id) WITH (partitions = 4, slice = '1 day')`,
	`CREATE TABLE IF NOT EXISTS routes (route_id text PRIMARY KEY, name text, meters real)`,
	`CREATE TABLE IF NOT EXISTS stops (
  stop_id text PRIMARY KEY, route_id text, name text,
  latitude double precision, longitude double precision, meters real
)`,
}

// prepare creates the tables and fills those that do not change.
func prepare(ctx context.Context, pool *pgxpool.Pool, city *citybus.City) error {
	for _, sql := range schema {
		if _, err := pool.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", firstLine(sql), err)
		}
	}
	b := &pgx.Batch{}
	for _, r := range city.Routes {
		b.Queue(`INSERT INTO routes VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, r.ID, r.Name, float32(r.Meters))
		for _, s := range r.Stops {
			b.Queue(`INSERT INTO stops VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
				s.ID, s.RouteID, s.Name, s.At.Latitude, s.At.Longitude, float32(s.Meters))
		}
	}
	return pool.SendBatch(ctx, b).Close()
}

func firstLine(s string) string { line, _, _ := strings.Cut(s, "\n"); return line }

// A question is asked over and over.
type question struct {
	title string
	sql   string
	lines int // of the answer that are shown
}

// questions are the city's. The place and the stop are those of the first route.
func questions(city *citybus.City) []question {
	r := city.Routes[0]
	stop := r.Stops[len(r.Stops)/2]
	here := fmt.Sprintf("(latitude - %.4f) * 111.3, (longitude - %.4f) * 96.1", stop.At.Latitude, stop.At.Longitude)
	square := func(xy string) string {
		x, y, _ := strings.Cut(xy, ", ")
		return fmt.Sprintf("sqrt((%s)^2 + (%s)^2)", x, y)
	}
	return []question{
		{"Where is every bus now?", `SELECT DISTINCT ON (vehicle_id) vehicle_id AS bus, route_id AS route, ts::timestamptz(0) AS seen, latitude, longitude, speed
FROM bus_positions WHERE ts > now() - interval '10 minutes'
ORDER BY vehicle_id, ts DESC`, 4},
		{"Which bus is closest to " + stop.Name + "?", fmt.Sprintf(`SELECT bus, route, round(%s::numeric, 2) AS km FROM (
  SELECT DISTINCT ON (vehicle_id) vehicle_id AS bus, route_id AS route, latitude, longitude
  FROM bus_positions WHERE ts > now() - interval '2 minutes'
  ORDER BY vehicle_id, ts DESC) AS last
ORDER BY 3 LIMIT 3`, square(here)), 3},
		{"How long until the next bus of route " + r.ID + " at " + stop.Name + "?", fmt.Sprintf(`WITH last AS (
  SELECT DISTINCT ON (vehicle_id) vehicle_id, meters FROM bus_positions
  WHERE route_id = '%s' AND ts > now() - interval '2 minutes' ORDER BY vehicle_id, ts DESC
), pace AS (
  SELECT vehicle_id, avg(speed) AS speed FROM bus_positions
  WHERE route_id = '%s' AND ts > now() - interval '5 minutes' GROUP BY vehicle_id HAVING avg(speed) > 0.5
)
SELECT last.vehicle_id AS bus,
  make_interval(secs => round(CASE WHEN s.meters >= last.meters THEN s.meters - last.meters ELSE s.meters + r.meters - last.meters END / pace.speed)) AS arrives_in
FROM last JOIN pace USING (vehicle_id), stops AS s JOIN routes AS r USING (route_id)
WHERE s.stop_id = '%s' ORDER BY 2 LIMIT 2`, r.ID, r.ID, stop.ID), 2},
		{"Average speed per route by the hour?", `SELECT route_id AS route, date_trunc('hour', ts) AS hour, round((avg(speed) * 3.6)::numeric, 1) AS km_h, count(*) AS events
FROM bus_positions GROUP BY 1, 2 ORDER BY 2 DESC, 3 DESC`, 4},
	}
}

// An answer is what a question yielded last.
type answer struct {
	header []string
	rows   [][]string
	total  int
	took   time.Duration
	err    error
}

func ask(ctx context.Context, pool *pgxpool.Pool, q question) answer {
	start := time.Now()
	rows, err := pool.Query(ctx, q.sql, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		return answer{err: err}
	}
	defer rows.Close()
	var a answer
	for _, f := range rows.FieldDescriptions() {
		a.header = append(a.header, f.Name)
	}
	for rows.Next() {
		a.total++
		if len(a.rows) == q.lines {
			continue
		}
		var cells []string
		for _, raw := range rows.RawValues() {
			cells = append(cells, string(raw))
		}
		a.rows = append(a.rows, cells)
	}
	a.err, a.took = rows.Err(), time.Since(start)
	return a
}
