-- Bytes as text and back: base64 (RFC 4648, with padding) and hexadecimal.
local band, bor, lshift, rshift = bit.band, bit.bor, bit.lshift, bit.rshift
local byte, char = string.byte, string.char

local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local digit_of, value_of = {}, {}
for i = 0, 63 do
  digit_of[i] = ALPHABET:sub(i + 1, i + 1)
  value_of[ALPHABET:byte(i + 1)] = i
end
value_of[byte "-"], value_of[byte "_"] = 62, 63 -- the URL alphabet is read too

local base64 = {}

function base64.encode(bytes)
  local out = {}
  for i = 1, #bytes, 3 do
    local a, b, c = byte(bytes, i, i + 2)
    local group = bor(lshift(a, 16), lshift(b or 0, 8), c or 0)
    out[#out + 1] = digit_of[rshift(group, 18)]
    out[#out + 1] = digit_of[band(rshift(group, 12), 63)]
    out[#out + 1] = b and digit_of[band(rshift(group, 6), 63)] or "="
    out[#out + 1] = c and digit_of[band(group, 63)] or "="
  end
  return table.concat(out)
end

-- Padding may be missing; anything else that is no base64 is an error, so that nothing is taken for bytes which is none.
function base64.decode(text)
  local digits, padding = text:match "^([^=]*)(=?=?)$"
  if not digits or #digits % 4 == 1 or (padding ~= "" and (#digits + #padding) % 4 ~= 0) then
    error("base64: this text has no length that base64 has", 0)
  end
  local out = {}
  for i = 1, #digits, 4 do
    local group, count = 0, 0
    for j = i, i + 3 do
      local digit = byte(digits, j)
      if digit and not value_of[digit] then
        error(("base64: character %d is none of base64's"):format(j), 0)
      end
      group = bor(lshift(group, 6), digit and value_of[digit] or 0)
      count = count + (digit and 1 or 0)
    end
    out[#out + 1] = char(rshift(group, 16), band(rshift(group, 8), 255), band(group, 255)):sub(1, count - 1)
  end
  return table.concat(out)
end

local hex = {}

function hex.encode(bytes)
  return (bytes:gsub(".", function(c)
    return ("%02x"):format(byte(c))
  end))
end

function hex.decode(text)
  if #text % 2 == 1 or text:find "%X" then
    error("hex: two hexadecimal digits make a byte, and nothing else is in it", 0)
  end
  return (text:gsub("..", function(digits)
    return char(tonumber(digits, 16))
  end))
end

return { base64 = base64, hex = hex }
