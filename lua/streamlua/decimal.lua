-- Exact arithmetic on decimal numbers, kept as texts: what a double cannot do to a DECIMAL of more than 15 digits.
--
-- A number is read to { sign = 1 or -1, scale = digits behind the point, limbs }: limbs are groups of seven digits, the
-- least first, so that the product of two and a carry fit a double.
local decimal = {}

local BASE, WIDTH = 1e7, 7
local DIGITS_MOST = 1000 -- far beyond any column; 1e999999999 would fill the memory

local function bad(value)
  error(("decimal: %s is no decimal number"):format(type(value) == "string" and "'" .. value .. "'" or "a " .. type(value)), 0)
end

-- Sign, digits and scale of a text such as "-12.50" or "1.5e3".
local function split(value)
  local text = value
  if type(value) == "number" then
    text = value == math.floor(value) and math.abs(value) < 2 ^ 53 and ("%.0f"):format(value) or ("%.15g"):format(value)
  elseif type(value) ~= "string" then
    bad(value)
  end
  local sign, whole, fraction, exponent = text:match "^([+-]?)(%d*)%.?(%d*)[eE]?([+-]?%d*)$"
  if not whole or whole .. fraction == "" or (exponent == "") ~= not text:find "[eE]" then
    bad(value)
  end
  local scale = #fraction - (tonumber(exponent) or (exponent == "" and 0) or bad(value))
  local digits = whole .. fraction
  if math.max(#digits, math.abs(scale)) > DIGITS_MOST then
    error(("decimal: more than %d digits"):format(DIGITS_MOST), 0)
  elseif scale < 0 then
    digits, scale = digits .. ("0"):rep(-scale), 0
  end
  return sign == "-" and -1 or 1, digits, scale
end

local function trim(limbs)
  while #limbs > 0 and limbs[#limbs] == 0 do
    limbs[#limbs] = nil
  end
  return limbs
end

local function to_limbs(digits)
  local limbs = {}
  for last = #digits, 1, -WIDTH do
    limbs[#limbs + 1] = tonumber(digits:sub(math.max(1, last - WIDTH + 1), last))
  end
  return trim(limbs)
end

-- Both at the larger of their scales, so that their limbs stand for the same digits.
local function align(a, b)
  local sign_a, digits_a, scale_a = split(a)
  local sign_b, digits_b, scale_b = split(b)
  local scale = math.max(scale_a, scale_b)
  return sign_a, to_limbs(digits_a .. ("0"):rep(scale - scale_a)), sign_b, to_limbs(digits_b .. ("0"):rep(scale - scale_b)), scale
end

local function to_text(sign, limbs, scale)
  local groups = {}
  for i = #limbs, 1, -1 do
    groups[#groups + 1] = ("%07d"):format(limbs[i])
  end
  local digits = table.concat(groups):gsub("^0+", "")
  digits = ("0"):rep(scale + 1 - #digits) .. digits
  local text = digits:sub(1, #digits - scale) .. (scale > 0 and "." .. digits:sub(-scale) or "")
  return sign < 0 and #limbs > 0 and "-" .. text or text
end

local function compare_limbs(a, b)
  if #a ~= #b then
    return #a < #b and -1 or 1
  end
  for i = #a, 1, -1 do
    if a[i] ~= b[i] then
      return a[i] < b[i] and -1 or 1
    end
  end
  return 0
end

-- a + factor * b; a is at least as large where factor is -1.
local function combine(a, b, factor)
  local sum, carry = {}, 0
  for i = 1, math.max(#a, #b) do
    local limb = (a[i] or 0) + factor * (b[i] or 0) + carry
    carry = math.floor(limb / BASE)
    sum[i] = limb - carry * BASE
  end
  if carry > 0 then
    sum[#sum + 1] = carry
  end
  return trim(sum)
end

local function add(sign_a, a, sign_b, b, scale)
  if sign_a == sign_b then
    return to_text(sign_a, combine(a, b, 1), scale)
  elseif compare_limbs(a, b) >= 0 then
    return to_text(sign_a, combine(a, b, -1), scale)
  end
  return to_text(sign_b, combine(b, a, -1), scale)
end

-- The result has as many digits behind the point as the longer of the two.
function decimal.add(left, right)
  return add(align(left, right))
end

function decimal.sub(left, right)
  local sign_a, a, sign_b, b, scale = align(left, right)
  return add(sign_a, a, -sign_b, b, scale)
end

-- The result has the digits behind the point of both together.
function decimal.mul(left, right)
  local sign_a, digits_a, scale_a = split(left)
  local sign_b, digits_b, scale_b = split(right)
  local a, b, product = to_limbs(digits_a), to_limbs(digits_b), {}
  for i = 1, #a do
    local carry = 0
    for j = 1, #b do
      local limb = (product[i + j - 1] or 0) + a[i] * b[j] + carry
      carry = math.floor(limb / BASE)
      product[i + j - 1] = limb - carry * BASE
    end
    product[i + #b] = carry
  end
  return to_text(sign_a * sign_b, trim(product), scale_a + scale_b)
end

-- -1, 0 or 1.
function decimal.compare(left, right)
  local sign_a, a, sign_b, b = align(left, right)
  if #a == 0 and #b == 0 then -- 0 and -0
    return 0
  elseif sign_a ~= sign_b then
    return #a == 0 and -sign_b or sign_a
  end
  return sign_a * compare_limbs(a, b)
end

local function check_places(places, what)
  if type(places) ~= "number" or places ~= math.floor(places) or places < 0 or places > DIGITS_MOST then
    error(("decimal: %s needs a whole number of places, 0 or more"):format(what), 0)
  end
  return places
end

-- To exactly that many digits behind the point; a half goes away from zero, as in MySQL's ROUND.
function decimal.round(value, places)
  places = check_places(places or 0, "round")
  local sign, digits, scale = split(value)
  if scale <= places then
    return to_text(sign, to_limbs(digits .. ("0"):rep(places - scale)), places)
  end
  digits = ("0"):rep(scale - places) .. digits
  local cut = #digits - (scale - places)
  local up = digits:byte(cut + 1) >= ("5"):byte()
  return to_text(sign, combine(to_limbs(digits:sub(1, cut)), up and { 1 } or {}, 1), places)
end

-- limbs * 10 + digit
local function append(limbs, digit)
  local carry = digit
  for i = 1, #limbs do
    local limb = limbs[i] * 10 + carry
    carry = math.floor(limb / BASE)
    limbs[i] = limb - carry * BASE
  end
  if carry > 0 then
    limbs[#limbs + 1] = carry
  end
  return limbs
end

-- To so many places, by default four more than the left one has, as MySQL divides; a half goes away from zero.
function decimal.div(left, right, places)
  local sign_a, digits_a, scale_a = split(left)
  local sign_b, digits_b, scale_b = split(right)
  places = check_places(places or scale_a + 4, "div")
  local zeros = places + 1 + scale_b - scale_a -- for one digit more than is wanted
  local by = to_limbs(digits_b .. ("0"):rep(-zeros))
  if #by == 0 then
    error("decimal: a division by zero", 0)
  end
  digits_a = digits_a .. ("0"):rep(zeros)
  local rest, quotient = {}, {}
  for i = 1, #digits_a do
    rest = append(rest, digits_a:byte(i) - 48)
    local digit = 0
    while compare_limbs(rest, by) >= 0 do
      rest, digit = combine(rest, by, -1), digit + 1
    end
    quotient[i] = digit
  end
  return decimal.round(to_text(sign_a * sign_b, to_limbs(table.concat(quotient)), places + 1), places)
end

return decimal
