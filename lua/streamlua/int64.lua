-- Exact arithmetic on integers of 64 bits, BIGINT and BIGINT UNSIGNED alike: from -2^63 to 2^64 - 1, as numbers or as texts of their
-- digits. A result is a number where a double holds it exactly, else its text, as in rows.
--
-- An integer is read to (negative, magnitude): the magnitude is a uint64_t, so that nothing is rounded on the way.
local ffi = require "ffi"

local int64 = {}

local uint64 = ffi.typeof "uint64_t"
local EXACT = 2 ^ 53
local MOST = 0xffffffffffffffffULL
local LEAST = 0x8000000000000000ULL -- of a negative one

local function bad(value)
  local shown = type(value) == "string" and "'" .. value .. "'" or type(value) == "number" and ("%.17g"):format(value) or "a " .. type(value)
  error(("int64: %s is no integer of 64 bits"):format(shown), 0)
end

local function no_room(what)
  error(("int64: %s has no room in 64 bits"):format(what), 0)
end

local function read_text(text)
  local sign, digits = text:match "^(%-?)0*(%d+)$"
  if not digits or #digits > 20 then
    bad(text)
  end
  local magnitude = uint64(0)
  for i = 1, #digits do
    local digit = digits:byte(i) - 48
    if magnitude > MOST / 10 or (magnitude == MOST / 10 and digit > 5) then
      bad(text)
    end
    magnitude = magnitude * 10 + digit
  end
  if sign == "-" and magnitude > LEAST then
    bad(text)
  end
  return sign == "-" and magnitude ~= 0, magnitude
end

local function read(value)
  if type(value) == "string" then
    return read_text(value)
  elseif type(value) ~= "number" or value ~= math.floor(value) or math.abs(value) >= EXACT then
    bad(value)
  end
  return value < 0, uint64(math.abs(value))
end

local function result(negative, magnitude, what)
  if magnitude < EXACT then
    return negative and -tonumber(magnitude) + 0 or tonumber(magnitude)
  elseif negative and magnitude > LEAST then
    no_room(what)
  end
  return (negative and "-" or "") .. tostring(magnitude):sub(1, -4) -- without ULL
end

local function add(negative_a, a, negative_b, b, what)
  if negative_a == negative_b then
    if a > MOST - b then
      no_room(what)
    end
    return result(negative_a, a + b, what)
  elseif a >= b then
    return result(negative_a, a - b, what)
  end
  return result(negative_b, b - a, what)
end

function int64.add(left, right)
  local negative_a, a = read(left)
  local negative_b, b = read(right)
  return add(negative_a, a, negative_b, b, "the sum")
end

function int64.sub(left, right)
  local negative_a, a = read(left)
  local negative_b, b = read(right)
  return add(negative_a, a, not negative_b, b, "the difference")
end

function int64.mul(left, right)
  local negative_a, a = read(left)
  local negative_b, b = read(right)
  if b ~= 0 and a > MOST / b then
    no_room "the product"
  end
  return result(negative_a ~= negative_b, a * b, "the product")
end

local function divisor(value)
  local negative, magnitude = read(value)
  if magnitude == 0 then
    error("int64: a division by zero", 0)
  end
  return negative, magnitude
end

-- What is behind the point is cut off, as MySQL's DIV does; the remainder has the sign of what is divided, as with MySQL's MOD.
function int64.div(left, right)
  local negative_a, a = read(left)
  local negative_b, b = divisor(right)
  return result(negative_a ~= negative_b, a / b, "the quotient")
end

function int64.mod(left, right)
  local negative, a = read(left)
  local _, b = divisor(right)
  return result(negative, a % b, "the remainder")
end

-- -1, 0 or 1.
function int64.compare(left, right)
  local negative_a, a = read(left)
  local negative_b, b = read(right)
  if negative_a ~= negative_b then
    return negative_a and -1 or 1
  elseif a == b then
    return 0
  end
  return (a < b) ~= negative_a and -1 or 1
end

-- The unsigned integer that up to eight bytes are, the first the most significant: what a BIT column is in a row.
function int64.from_bytes(bytes)
  if type(bytes) ~= "string" or #bytes > 8 then
    error("int64: from_bytes needs a text of at most eight bytes", 0)
  end
  local magnitude = uint64(0)
  for i = 1, #bytes do
    magnitude = magnitude * 256 + bytes:byte(i)
  end
  return result(false, magnitude, "the number")
end

-- And back: count bytes (8 without one).
function int64.to_bytes(value, count)
  local negative, magnitude = read(value)
  count = count or 8
  if type(count) ~= "number" or count ~= math.floor(count) or count < 1 or count > 8 then
    error("int64: to_bytes makes one to eight bytes", 0)
  elseif negative or (count < 8 and magnitude >= uint64(2 ^ (8 * count))) then
    error(("int64: %s has no room in %d bytes"):format(tostring(value), count), 0)
  end
  local bytes = {}
  for i = count, 1, -1 do
    bytes[i] = string.char(tonumber(magnitude % 256))
    magnitude = magnitude / 256
  end
  return table.concat(bytes)
end

return int64
