/* Numbers in network order. */
#ifndef PLANE_WIRE_H
#define PLANE_WIRE_H

#include <stdint.h>

static inline void put16(uint8_t *at, uint16_t value) {
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static inline void put32(uint8_t *at, uint32_t value) {
    put16(at, (uint16_t)(value >> 16));
    put16(at + 2, (uint16_t)value);
}

static inline uint16_t take16(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }

static inline uint32_t take32(const uint8_t *at) { return (uint32_t)take16(at) << 16 | take16(at + 2); }

#endif
