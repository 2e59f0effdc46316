#!/bin/sh
# Draws clip.mp4, the video that every task of the sandbox ends with: a paper boat on a slow swell at dusk.
# Two seconds, H.264 baseline, yuv420p, index first, so that any browser plays it. It was made with ffmpeg 5.1 of
# Debian 12; other versions give other bytes and the same picture.
set -eu
cd "$(dirname "$0")"

# Functions of the pixel (X, Y) and the time T. `st(n,…)` keeps a value for `ld(n)`.
#   0: height of the water below X       1, 2: the boat's middle, which rides on it
#   3, 4: the pixel as seen from there, turned by the boat's roll
water='180+7*sin(X/55+PI*T)+3*sin(X/23-2*PI*T)'
keel='180+7*sin((200+20*T)/55+PI*T)'
roll='0.12*cos((200+20*T)/55+PI*T)'
setup="st(0,$water);st(1,200+20*T);st(2,$keel);
       st(3,(X-ld(1))*cos($roll)+(Y-ld(2))*sin($roll));st(4,(Y-ld(2))*cos($roll)-(X-ld(1))*sin($roll))"
# Hull: a trapezoid; sails: two triangles, the one in the shade a little darker.
hull='between(ld(4),-22,10)*lt(abs(ld(3)),50-1.1*ld(4))'
light='between(ld(4),-78,-22)*gte(ld(3),0)*lt(ld(3),0.62*(ld(4)+78))'
shade='between(ld(4),-78,-22)*lt(ld(3),0)*gt(ld(3),-0.62*(ld(4)+78))'
sun='lt(hypot(X-372,Y-92),26)'
paint() { # paint SKY SUN SEA HULL LIGHT SHADE
    printf '%s;if(gt(Y,ld(0)),%s,if(%s,%s,if(%s,%s,if(%s,%s,if(%s,%s,%s)))))' \
        "$setup" "$3" "$hull" "$4" "$light" "$5" "$shade" "$6" "$sun" "$2" "$1"
}
red=$(paint '70+0.85*Y' 255 '18+0.22*(270-Y)' 236 250 214)
green=$(paint '72+0.42*Y' 214 '60+0.42*(270-Y)' 232 247 210)
blue=$(paint '128-0.02*Y' 150 '92+0.52*(270-Y)' 222 240 205)

ffmpeg -y -loglevel error -f lavfi -i 'color=size=480x270:rate=24:duration=2' \
    -vf "geq=r='$red':g='$green':b='$blue',format=yuv420p" \
    -c:v libx264 -profile:v baseline -preset veryslow -crf 27 -an -movflags +faststart -map_metadata -1 -fflags +bitexact \
    -flags:v +bitexact clip.mp4
