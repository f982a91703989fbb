package server

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
)

func (c Config) level() (slog.Level, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(strings.ToUpper(c.Log.Level))); err != nil {
		return l, fmt.Errorf("configuration: log.level = %s: must be debug, info, warn or error", c.Log.Level)
	}
	return l, nil
}

// Logger returns the logger that the configuration asks for.
func (c Config) Logger(w io.Writer) *slog.Logger {
	level, err := c.level()
	if err != nil {
		level = slog.LevelInfo
	}
	opt := &slog.HandlerOptions{Level: level}
	if c.Log.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, opt))
	}
	return slog.New(slog.NewTextHandler(w, opt))
}
