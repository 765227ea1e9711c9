// Web Mercator as Leaflet has it: the world is 256 wide at zoom 0.
const SIZE = 256;
const MOST_LATITUDE = 85.0511287798;

export const worldX = (longitude) => ((longitude + 180) / 360) * SIZE;

export function worldY(latitude) {
  const clamped = Math.max(-MOST_LATITUDE, Math.min(MOST_LATITUDE, latitude));
  const sine = Math.sin((clamped * Math.PI) / 180);
  return (0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI)) * SIZE;
}
