package datum

import "github.com/phyllodb/phyllo/internal/pgerr"

// decodeDateTime splits and decodes; the error is made for the type.
func decodeDateTime(s, typeName string, timeOnly bool, env *Env) (*dateTimeDecoder, error) {
	fields, ok := splitDateTime(s)
	d := &dateTimeDecoder{env: env, fields: fields, timeOnly: timeOnly}
	e := badFormat
	if ok {
		e = d.decode()
	}
	if d.failed != nil {
		return nil, d.failed
	}
	if e != dateOK {
		return nil, dateErrorFor(e, s, typeName)
	}
	return d, nil
}

// parseDate is date_in.
func parseDate(s string, env *Env) (Days, error) {
	if days, ok := isoDate(s); ok && len(s) == 10 {
		return Days(days), nil
	}
	d, err := decodeDateTime(s, "date", false, env)
	if err != nil {
		return 0, err
	}
	switch d.special {
	case reservedEpoch:
		return 0, nil
	case reservedInfinity:
		return InfinityDays, nil
	case reservedNegInfinity:
		return NegInfinityDays, nil
	}
	days := civilDays(d.c.Year, d.c.Month, d.c.Day)
	if days < int64(MinDays) || days > int64(MaxDays) {
		return 0, pgerr.New(pgerr.DatetimeOverflow, `date out of range: "%s"`, s)
	}
	return Days(days), nil
}

// parseTimestamp is timestamp_in and, zoned, timestamptz_in.
func parseTimestamp(s string, zoned bool, env *Env) (Micros, error) {
	if local, offset, hasOffset, ok := isoTimestamp(s); ok {
		switch {
		case !zoned:
		case hasOffset:
			local -= offset * microsPerSecond
		default:
			local -= int64(LocalOffset(Micros(local), env.Zone)) * microsPerSecond
		}
		return Micros(local), nil
	}
	name := "timestamp"
	if zoned {
		name = "timestamp with time zone"
	}
	d, err := decodeDateTime(s, name, false, env)
	if err != nil {
		return 0, err
	}
	switch d.special {
	case reservedEpoch:
		return 0, nil
	case reservedInfinity:
		return InfinityMicros, nil
	case reservedNegInfinity:
		return NegInfinityMicros, nil
	}
	micros := d.c.TimeOfDay()
	if zoned {
		micros -= int64(d.offset) * microsPerSecond
	}
	m, err := timestampOf(civilDays(d.c.Year, d.c.Month, d.c.Day), micros)
	if err != nil {
		return 0, pgerr.New(pgerr.DatetimeOverflow, `timestamp out of range: "%s"`, s)
	}
	return m, nil
}

// parseTime is time_in.
func parseTime(s string, env *Env) (Micros, error) {
	if t, end, ok := isoTime(s, 0); ok && end == len(s) {
		return Micros(t), nil
	}
	d, err := decodeDateTime(s, "time", true, env)
	if err != nil {
		return 0, err
	}
	return Micros(d.c.TimeOfDay()), nil
}

// parseTimeTZ is timetz_in.
func parseTimeTZ(s string, env *Env) (TimeTZValue, error) {
	d, err := decodeDateTime(s, "time with time zone", true, env)
	if err != nil {
		return TimeTZValue{}, err
	}
	return TimeTZValue{Micros: d.c.TimeOfDay(), Zone: -int32(d.offset)}, nil
}
